"""The rate and the idle time in the heartbeats of a worker."""

from types import SimpleNamespace

import pytest

from workers.rate import WorkRate


def test_the_rate_is_that_of_the_last_minute_and_idle_means_since_the_last_work():
    worker, now = SimpleNamespace(accepted=0, worked_at=None), [100.0]
    rate = WorkRate(lambda: worker, lambda: now[0])
    assert rate() == {"accepted": 0, "rate": 0.0, "idle_seconds": None}
    for seconds in (115.0, 130.0, 145.0, 160.0):
        now[0], worker.accepted, worker.worked_at = seconds, worker.accepted + 150, seconds - 2
        told = rate()
        assert told["rate"] == pytest.approx(10.0)
    assert (told["accepted"], told["idle_seconds"]) == (600, 2.0)
    for seconds in (175.0, 190.0, 205.0, 220.0):
        now[0] = seconds
        told = rate()
    assert (told["rate"], told["idle_seconds"]) == (0.0, 62.0)


def test_before_its_first_task_a_worker_has_done_nothing():
    assert WorkRate(lambda: None)()["accepted"] == 0

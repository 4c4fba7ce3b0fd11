"""A process's logs: one line an event, whoever logs it, and errors that repeat do not fill the disk."""

import json
import logging
import warnings

import pytest
import structlog

from digest.logs import OncePerInterval, set_up_logs
from digest.settings import settings

HOSTILE = "550 no\n2026-11-28T00:00:00Z [error    ] forged \x1b[2J\u2028\x85"


@pytest.fixture
def log_everything(monkeypatch, capsys):
    """Logs some events of Digest and its libraries, and a warning; returns the lines on stderr."""

    def log(as_json):
        monkeypatch.setenv("DIGEST_LOG_JSON", str(as_json))
        settings.cache_clear()
        monkeypatch.setattr(logging.root, "handlers", [])
        with monkeypatch.context() as patch:
            patch.setattr(logging, "_warnings_showwarning", None)
            patch.setattr("warnings.showwarning", warnings.showwarning)
            set_up_logs(program="worker")
            with structlog.contextvars.bound_contextvars(job="sweep"):
                structlog.get_logger().error("refused", reply=HOSTILE)
            try:
                raise ValueError(HOSTILE)
            except ValueError:
                logging.getLogger("celery.worker").exception("Task raised\n")
                structlog.get_logger().exception("a job failed")
            logging.getLogger("celery.worker").info("Task received")
            logging.getLogger("py.warnings").warning("deprecated\n")
        return capsys.readouterr().err.splitlines()

    return log


def test_every_event_is_one_json_object_a_line_also_of_libraries_and_with_tracebacks(log_everything):
    refused, task, job, warning = map(json.loads, log_everything(as_json=True))
    assert (refused["event"], refused["level"], refused["reply"]) == ("refused", "error", HOSTILE)
    assert (refused["job"], refused["program"]) == ("sweep", "worker")
    assert (task["event"], task["logger"], task["program"]) == ("Task raised\n", "celery.worker", "worker")
    for failed in (task, job):
        assert failed["exception"].startswith("Traceback (most recent call last):")
        assert failed["exception"].endswith(HOSTILE)
    assert warning["event"] == "deprecated\n"
    assert all("timestamp" in event for event in (refused, task, job, warning))


def test_every_event_is_one_line_of_text_that_no_reply_can_forge(log_everything):
    lines = log_everything(as_json=False)
    assert [line for line in lines if not line.startswith("20")] == []
    refused, task, job, warning = lines
    assert "[error    ] refused" in refused
    assert r"550 no\n2026-11-28T00:00:00Z [error    ] forged \x1b[2J\u2028\x85" in refused
    for failed in (task, job):
        assert r"Traceback (most recent call last):\n" in failed
    assert "[celery.worker]" in task
    assert "deprecated" in warning


def test_an_event_that_repeats_is_one_line_until_its_interval_is_over(monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    limit = OncePerInterval()

    def lines(text="away", every=60):
        try:
            return limit(None, "error", {"event": text, "every": every})
        except structlog.DropEvent:
            return None

    assert lines() == {"event": "away"}
    assert lines("full", every=600) == {"event": "full"}
    now = 159.0
    assert (lines(), lines()) == (None, None)
    now = 160.0
    assert lines() == {"event": "away", "repeated": 2}
    assert lines("full", every=600) is None
    now = 220.0
    assert lines() == {"event": "away"}
    assert limit(None, "info", {"event": "request"}) == {"event": "request"}

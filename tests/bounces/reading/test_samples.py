"""Real reports with labels, which are not part of this repository."""

from benchmarks.bounces import measure


def test_real_reports_are_read_as_labelled(shared_data) -> None:
    in_view, kept_back, speed = measure(shared_data / "bounces")
    assert in_view.kinds_right / in_view.kinds >= 0.98, in_view.wrong
    assert kept_back.kinds_right / kept_back.kinds >= 0.94
    for half in (in_view, kept_back):
        assert half.complaints_right == half.complaints
        assert half.recipients_right == half.recipients
    assert speed > 10_000 / 60 / 2  # per second of CPU time; the goal is 10,000 a minute on two cores

"""The picture of an issue: votes against chance."""

from digest.papers.ranking import FLOOR
from digest.web.public.issue_chart import BOTTOM, LEFT, RIGHT, TOP, issue_chart


def test_more_votes_are_to_the_right_and_a_better_chance_is_above() -> None:
    chart = issue_chart([(100.0, 99.0), (10.0, FLOOR), (0.0, -99.0)], 1, FLOOR)
    assert chart.best == f"M{RIGHT} {TOP}h0"
    assert chart.others.startswith("M2")
    assert chart.others.endswith(f" {chart.floor:g}h0M{LEFT} {BOTTOM}h0")
    assert [votes for _, votes in chart.votes] == [0, 1, 3, 10, 30, 100]
    heights = [y for y, _ in chart.chances]
    assert heights == sorted(heights, reverse=True)

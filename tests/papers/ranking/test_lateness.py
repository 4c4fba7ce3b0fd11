"""What surfaced after a cut is carried into the next issue, once, and says so."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.issues.issue import Issue
from digest.issues.publish import DAILY, best_papers, publish
from digest.issues.reasons import place_of
from digest.issues.store import issue_on
from digest.papers.paper import Observed, Paper
from digest.papers.ranking import late_days, lateness_text
from tests.support.scenario import DAY, MORNING, PLAN, add_papers

ONE_DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("listed", "seen", "late"),
    [
        (-HOUR, HOUR, 1),  # before and after the previous cut
        (-2 * ONE_DAY, HOUR, 2),
        (HOUR, 2 * HOUR, 0),  # both after it: an ordinary new paper
        (-HOUR, timedelta(0), 0),  # seen as that issue was cut
        (-2 * HOUR, -HOUR, 0),  # both before it: it was in that issue
        (timedelta(0), HOUR, 1),
        (None, HOUR, 0),  # nobody knows when it was listed
    ],
)
def test_late_is_what_was_listed_before_the_previous_cut_and_found_after(
    listed: timedelta | None, seen: timedelta, late: int
) -> None:
    one = Paper("2603.00001", "One", listed_at=None if listed is None else MORNING + listed)
    assert late_days(Observed(one, MORNING + seen), MORNING) == late
    assert late_days(Observed(one, MORNING + seen), None) == 0


def test_the_words_are_those_of_a_person() -> None:
    assert [lateness_text(days) for days in (0, 1, 2)] == [
        "",
        "listed yesterday, new to us today",
        "listed 2 days ago, new to us today",
    ]


def issue(engine: Engine, days: int) -> Issue:
    publish(engine, PLAN, DAY + days * ONE_DAY, MORNING + days * ONE_DAY)
    with read_only(engine) as connection:
        found = issue_on(connection, DAILY, DAY + days * ONE_DAY)
    assert found
    return found


def test_a_paper_found_after_the_cut_is_in_the_next_issue_as_late_and_only_there(engine: Engine) -> None:
    add_papers(engine, range(3))
    assert all(not one.late_days for one in issue(engine, 0).papers)
    add_papers(engine, range(9, 10), seen_at=MORNING + HOUR, listed_at=MORNING - ONE_DAY)
    with read_only(engine) as connection:
        foreseen = best_papers(connection, PLAN, DAY + ONE_DAY, MORNING + ONE_DAY)
    assert [ranked.late_days for ranked in foreseen].count(1) == 1
    (late,) = [one for one in issue(engine, 1).papers if one.late_days]
    assert (late.paper.id, late.late_days) == ("2603.00009", 1)
    assert place_of(late, "daily").endswith(" · listed yesterday, new to us today")
    again = issue(engine, 2).papers
    assert "2603.00009" in {one.paper.id for one in again}  # still in the pool, for those who did not get it
    assert all(not one.late_days for one in again)

"""Each kind of day without email, and its reason."""

from datetime import date, datetime, time, timedelta

import pytest
from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.issues.publish import halt
from digest.issues.store import issue_id_on
from digest.issues.withdrawing import withdraw
from digest.ledger import events
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.mail.pauses import EVERYTHING, pause_by_hand
from digest.monitoring.days import days, first_day
from digest.papers.collecting import SourceHealth, SourceRun, record_run
from digest.settings import Settings
from tests.support.scenario import DAY, MORNING, ON_SQLITE, add_papers, add_subscriber, change_deliveries, cut

pytestmark = ON_SQLITE
NOW = MORNING + timedelta(hours=3)
SETTINGS = Settings(secret_key="a-secret-of-at-least-thirty-two-characters", sources=("arxiv",), cut_at=time(6))


def why(engine: Engine, day: date = DAY, now: datetime = NOW, settings: Settings = SETTINGS) -> str:
    with read_only(engine) as connection:
        (report,) = days(connection, settings, day, day, now)
    return report.why


def read_at(engine: Engine, at: datetime, outcome: SourceHealth = SourceHealth.FRESH, message: str = "read") -> None:
    with transaction(engine) as connection:
        record_run(connection, SourceRun("arxiv", at.date(), at, outcome, 0, 0, (), message))


@pytest.fixture
def issue(engine: Engine) -> Engine:
    """Today's, for three subscribers."""
    for name in ("ada", "bob", "eve"):
        add_subscriber(engine, f"{name}@example.com")
    add_papers(engine, range(3))
    cut(engine)
    return engine


# --- no issue ---


def test_before_the_cut_it_is_to_come(engine: Engine) -> None:
    assert why(engine, DAY, MORNING - timedelta(hours=1)) == "it is cut on 2026-03-04 at 06:00 UTC"


def test_a_scheduler_that_did_not_run_at_all(issue: Engine) -> None:
    later = NOW + timedelta(days=2)
    assert "no source was read in the day before the cut at 06:00 UTC: the scheduler did not run" in why(
        issue, DAY + timedelta(days=1), later
    )


def test_a_scheduler_that_died_before_the_cut(issue: Engine) -> None:
    at = MORNING + timedelta(days=1) - timedelta(hours=2)
    read_at(issue, at)
    assert "the scheduler did not run after the cut was due at 06:00 UTC; before that it read arxiv" in why(
        issue, at.date(), NOW + timedelta(days=2)
    )


def test_sources_that_failed(issue: Engine) -> None:
    at = MORNING + timedelta(days=1, minutes=5)
    read_at(issue, at, SourceHealth.FAILING, "no route to host")
    reason = why(issue, at.date(), NOW + timedelta(days=2))
    assert reason.startswith("no source could be read: arxiv 2026-03-05 06:05 UTC, failing: no route to host")


def test_no_papers_as_the_scheduler_noted_it(issue: Engine) -> None:
    at = MORNING + timedelta(days=1, minutes=5)
    read_at(issue, at)
    with transaction(issue) as connection:
        events.record(connection, at, f"issue:{at.date()}", "not cut", {"reason": "arxiv could not be read: 503."})
    assert why(issue, at.date(), NOW + timedelta(days=2)) == (
        "there was no paper to send when the scheduler tried at 06:05 UTC: arxiv could not be read: 503"
    )


def test_days_before_the_installation(engine: Engine) -> None:
    read_at(engine, MORNING)
    assert (
        "no issue was ever cut; no source had been read by then; the first reading was on 2026-03-04 at 06:00"
        in why(engine, DAY - timedelta(days=2))
    )
    with read_only(engine) as connection:
        assert first_day(connection, ["arxiv"], DAY + timedelta(days=9)) == DAY
        assert first_day(connection, ["huggingface"], DAY) == DAY


# --- an issue that nobody, or not everybody, got ---


def test_a_paused_issue_names_who_paused_it(issue: Engine) -> None:
    with events.acting("ada", "shell"):
        halt(issue, DAY, IssueStatus.PAUSED, NOW, reason="a typo")
    assert why(issue) == "paused by ada at 2026-03-04 09:00 UTC: a typo"


def test_a_cancelled_issue_names_who_cancelled_it(issue: Engine) -> None:
    with events.acting("ada", "shell"):
        halt(issue, DAY, IssueStatus.CANCELLED, NOW)
    assert why(issue) == "cancelled by ada at 2026-03-04 09:00 UTC"


def test_a_withdrawn_issue_says_both(issue: Engine) -> None:
    with read_only(issue) as connection:
        issue_id = issue_id_on(connection, IssueKind.DAILY, DAY)
    with events.acting("ada", "shell"):
        withdraw(issue, issue_id, "the wrong papers", NOW)
    assert why(issue) == "withdrawn from the site by ada at 2026-03-04 09:00 UTC: the wrong papers; cancelled"


def test_sending_that_is_paused_explains_what_waits(issue: Engine) -> None:
    with events.acting("ada", "shell"):
        pause_by_hand(issue, EVERYTHING, "new server", NOW)
    assert why(issue) == "all sending is paused by ada since 2026-03-04 09:00 UTC: new server"


def test_an_issue_without_a_recipient(engine: Engine) -> None:
    add_subscriber(engine, "ada@example.com", paused_until=DAY + timedelta(days=9))
    add_papers(engine, range(3))
    cut(engine)
    assert why(engine) == (
        "none of 1 confirmed subscribers was due: 1 paused by the subscriber; the others chose other weekdays"
    )


def test_an_issue_whose_messages_were_all_skipped(issue: Engine) -> None:
    with transaction(issue) as connection:
        change_deliveries(connection, state="skipped", reason="nothing new", finished_at=NOW)
    assert why(issue) == "3 of 3 messages: nothing new"


def test_an_issue_that_everybody_got_needs_no_explanation(issue: Engine) -> None:
    with transaction(issue) as connection:
        change_deliveries(connection, state="accepted", finished_at=NOW)
    assert why(issue) == ""


# --- sums ---


def test_the_sums_of_a_day_are_those_of_its_deliveries(issue: Engine) -> None:
    def sums() -> list[tuple[int, int, int, dict[str, int]]]:
        with read_only(issue) as connection:
            reports = days(connection, SETTINGS, DAY, DAY, NOW)
        return [
            (each.sums.accepted, each.sums.refused, each.sums.queued, each.sums.skipped)
            for each in reports
            if each.sums
        ]

    assert sums() == [(0, 0, 3, {})]
    with transaction(issue) as connection:
        for number, state in ((1, "accepted"), (2, "refused"), (3, "skipped")):
            reason = "suppressed" if number == 3 else ""
            change_deliveries(connection, deliveries.c.id == number, state=state, reason=reason, finished_at=NOW)
    assert sums() == [(1, 1, 0, {"suppressed": 1})]

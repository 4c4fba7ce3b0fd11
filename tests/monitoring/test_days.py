"""Each kind of day without email, and its reason."""

from datetime import date, datetime, time, timedelta

import pytest
from sqlalchemy import Engine, update

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, issues
from digest.issues.publish import halt
from digest.issues.store import issue_id_on
from digest.issues.withdrawing import withdraw
from digest.ledger import events
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.ledger.totals import store_totals
from digest.mail.pauses import EVERYTHING, pause_by_hand
from digest.monitoring import days as module
from digest.monitoring.days import days, first_day, issue_sums
from digest.papers.collecting import SourceHealth, SourceRun, record_run
from digest.settings import Settings
from tests.support.scenario import DAY, MORNING, ON_SQLITE, add_papers, add_subscriber, cut

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
        connection.execute(update(deliveries).values(state="skipped", reason="nothing new", finished_at=NOW))
    assert why(issue) == "3 of 3 messages: nothing new"


def test_an_issue_that_everybody_got_needs_no_explanation(issue: Engine) -> None:
    with transaction(issue) as connection:
        connection.execute(update(deliveries).values(state="accepted", finished_at=NOW))
    assert why(issue) == ""


# --- sums ---


def test_stored_and_counted_sums_agree(issue: Engine, monkeypatch) -> None:
    def sums(most: int | None = None) -> list[tuple[int, int, int, dict[str, int]]]:
        with read_only(issue) as connection:
            reports = days(connection, SETTINGS, DAY, DAY, NOW)
            counted = issue_sums(connection, [each.issue for each in reports if each.issue], NOW, most)
        return [(each.accepted, each.refused, each.queued, each.skipped) for each in counted.values()]

    assert sums() == sums(2) == [(0, 0, 3, {})]
    with transaction(issue) as connection:
        for number, state in ((1, "accepted"), (2, "refused"), (3, "skipped")):
            change = update(deliveries).where(deliveries.c.id == number)
            connection.execute(change.values(state=state, reason="suppressed" if number == 3 else "", finished_at=NOW))
    assert sums() == [(1, 1, 0, {"suppressed": 1})], "counted, but not stored yet"
    with transaction(issue) as connection:
        store_totals(connection, 1)
        connection.execute(update(deliveries).values(state="queued"))  # which nobody reads any more
    assert sums() == [(1, 1, 0, {"suppressed": 1})]


def test_a_page_does_not_count_what_a_large_issue_waits_for(issue: Engine, monkeypatch) -> None:
    monkeypatch.setattr(module, "COUNTED_AT_ONCE", 2)
    with transaction(issue) as connection:
        connection.execute(update(deliveries).where(deliveries.c.id == 1).values(state="refused", finished_at=NOW))
        connection.execute(update(deliveries).where(deliveries.c.id == 2).values(state="accepted", finished_at=NOW))
        connection.execute(update(issues).values(candidates=4))
    with read_only(issue) as connection:
        (report,) = days(connection, SETTINGS, DAY, DAY, NOW)
    assert (report.is_being_sent, report.sums and report.sums.refused) == (True, 1)

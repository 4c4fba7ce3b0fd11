"""Stored runs of the sources, on both databases."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Engine

from digest.database.engine import transaction
from digest.papers.collecting import SourceHealth, SourceRun, last_runs, record_run, remembered_by
from digest.papers.collecting.runs import ListFacts
from digest.papers.collecting.store import history, keep_validators, last_complete
from digest.papers.sources.source import Unreadable, Validator

NOON = datetime(2026, 5, 28, 12, tzinfo=UTC)
DAY = NOON.date()
HOUR = timedelta(hours=1)


def run(day: date = DAY, at: datetime = NOON, **changed: object) -> SourceRun:
    made = SourceRun("arxiv", day, at, SourceHealth.FRESH, papers=1, new=1, unreadable=(), message="ok")
    return replace(made, **changed)  # type: ignore[arg-type]


def test_the_last_run_of_each_source_comes_back_as_it_was(engine: Engine) -> None:
    newest = run(outcome=SourceHealth.PARTIAL, unreadable=(Unreadable("record 2", "it has no id"),))
    other = run(source="huggingface", outcome=SourceHealth.FAILING, message="cannot be reached")
    with transaction(engine) as connection:
        for source_run in (newest, run(at=NOON - HOUR), run(day=date(2026, 5, 27)), other):
            record_run(connection, source_run)
        assert last_runs(connection) == [newest, other]


def test_a_repeated_run_takes_the_place_of_the_first(engine: Engine) -> None:
    with transaction(engine) as connection:
        record_run(connection, run(outcome=SourceHealth.FAILING))
        record_run(connection, run())
        assert last_complete(connection, "arxiv", date(2026, 5, 1)) == {NOON.date(): NOON}
        record_run(connection, run(facts=ListFacts(unchanged=True)))
        assert last_runs(connection) == [run()]


def test_a_failing_or_partial_run_is_not_complete(engine: Engine) -> None:
    with transaction(engine) as connection:
        record_run(connection, run(outcome=SourceHealth.FAILING))
        record_run(connection, run(day=date(2026, 5, 27), outcome=SourceHealth.PARTIAL))
        record_run(connection, run(day=date(2026, 5, 26), outcome=SourceHealth.QUIET))
        assert last_complete(connection, "arxiv", date(2026, 5, 1)) == {date(2026, 5, 26): NOON}
        assert last_complete(connection, "arxiv", date(2026, 5, 27)) == {}
        assert last_complete(connection, "huggingface", date(2026, 5, 1)) == {}


def test_a_validator_is_remembered_by_its_address(engine: Engine) -> None:
    with transaction(engine) as connection:
        keep_validators(connection, {"https://a": Validator('"1"')}, NOON)
        keep_validators(connection, {"https://a": Validator('"2"', "then")}, NOON + HOUR)
    assert remembered_by(engine)("https://a") == Validator('"2"', "then")
    assert remembered_by(engine)("https://b") is None


def test_facts_of_a_list_come_back_as_they_were(engine: Engine) -> None:
    facts = ListFacts(DAY, "2605.00009", ("2605.00001", "2605.00009"), {"cs.CL": 2}, unchanged=True)
    with transaction(engine) as connection:
        record_run(connection, run(facts=facts))
        assert last_runs(connection) == [run(facts=facts)]


def test_a_backfill_of_old_days_does_not_hide_how_a_source_is_today(engine: Engine) -> None:
    with transaction(engine) as connection:
        record_run(connection, run())
        record_run(connection, run(day=date(2026, 5, 1), at=NOON + HOUR))
        assert last_runs(connection) == [run()]
        assert last_runs(connection, NOON - HOUR) == []


def test_the_history_is_the_last_usable_run_of_each_day_at_this_time_of_day(engine: Engine) -> None:
    with transaction(engine) as connection:
        for back in (1, 2):
            for hours in (-2, -1, 1):  # the last one came later in its day than it is now
                at = NOON - timedelta(days=back) + hours * HOUR
                record_run(connection, run(day=at.date(), at=at, papers=10 * back + hours))
        record_run(
            connection, run(day=DAY - timedelta(days=1), at=NOON - timedelta(days=1), outcome=SourceHealth.FAILING)
        )
        record_run(connection, run(day=DAY - timedelta(days=3), at=NOON - timedelta(days=3), papers=0))
        record_run(connection, run(at=NOON - HOUR))
        today = history(connection, "arxiv", DAY, NOON)
        assert today.same_day == run(at=NOON - HOUR)
        assert [earlier.papers for earlier in today.earlier] == [9, 19]
        assert history(connection, "arxiv", DAY - timedelta(days=1), NOON).earlier == []
        assert history(connection, "huggingface", DAY, NOON).same_day is None

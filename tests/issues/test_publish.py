"""Cutting the issue: once a date, frozen, for everyone who is due and nobody else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, time, timedelta

import pytest
from sqlalchemy import select

from digest import wiring
from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, issues
from digest.issues.publish import NothingToCut, best_papers, date_to_cut, publish
from digest.issues.store import issue_on
from digest.ledger.deliveries import find
from digest.ledger.kinds import Kind
from digest.papers.collecting import SourceHealth, SourceRun, record_run
from digest.papers.ranking import FLOOR, RankingWeights
from digest.settings import Settings
from tests.support.scenario import DAY, MORNING, PLAN, add_papers, add_subscriber, cut


def stored(engine, day=DAY):
    with read_only(engine) as connection:
        return issue_on(connection, "daily", day)


def due_of(engine, subscriber, day=DAY):
    with read_only(engine) as connection:
        delivery = find(connection, Kind.DIGEST, day, subscriber.key)
    return delivery.due_at if delivery else None


def test_an_issue_holds_the_ranked_pool_with_every_term(engine):
    add_papers(engine, range(12))
    done = cut(engine)
    issue = stored(engine)
    assert done.papers == len(issue.papers) == 12
    with read_only(engine) as connection:
        assert issue.papers == best_papers(connection, PLAN, DAY, MORNING)
    assert issue.weights == RankingWeights().as_dict()
    assert issue.papers[0].terms.upvotes == 200


@pytest.mark.parametrize(("full_lists", "floor"), [(False, FLOOR), (True, None)])
def test_an_issue_keeps_the_floor_unless_the_operator_wants_full_lists(engine, full_lists, floor):
    add_papers(engine, range(3))
    cut(engine, plan=wiring.plan(Settings(full_lists=full_lists)))
    assert stored(engine).settings.floor == floor


def test_papers_of_days_long_past_are_not_in_the_pool(engine):
    long_ago = MORNING - timedelta(days=5, minutes=1)
    add_papers(engine, range(3), seen_at=long_ago, listed_at=long_ago)
    add_papers(engine, range(3, 5), seen_at=MORNING - timedelta(days=4, hours=23))
    cut(engine)
    assert [ranked.paper.id for ranked in stored(engine).papers] == ["2603.00003", "2603.00004"]


def test_what_comes_after_the_cut_changes_nothing(engine):
    add_papers(engine, range(3))
    cut(engine)
    before = stored(engine)
    add_papers(engine, range(3, 9), seen_at=MORNING)
    again = cut(engine, now=MORNING + timedelta(hours=5))
    assert not again.created
    assert stored(engine) == before


def test_ten_publishers_at_once_make_one_issue_and_one_mail_a_subscriber(engine):
    add_papers(engine, range(5))
    for number in range(7):
        add_subscriber(engine, f"reader{number}@example.com")
    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(lambda _: publish(engine, PLAN, DAY, MORNING), range(10)))
    assert sum(published.created for published in results) == 1
    assert {(published.issue_id, published.papers, published.candidates) for published in results} == {
        (results[0].issue_id, 5, 7)
    }
    with read_only(engine) as connection:
        assert len(connection.execute(select(issues)).all()) == 1
        assert len(connection.execute(select(deliveries)).all()) == 7


def test_each_subscriber_is_due_at_their_own_hour_in_their_own_zone(engine):
    add_papers(engine, range(3))
    default = add_subscriber(engine, "default@example.com")
    tokyo = add_subscriber(engine, "tokyo@example.com", zone="Asia/Tokyo", hour=20)
    new_york = add_subscriber(engine, "ny@example.com", zone="America/New_York", hour=7)
    cut(engine)
    assert due_of(engine, default) == datetime(2026, 3, 4, 7, tzinfo=UTC)
    assert due_of(engine, tokyo) == datetime(2026, 3, 4, 11, tzinfo=UTC)
    assert due_of(engine, new_york) == datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_only_confirmed_subscribers_who_are_due_that_day_are_candidates(engine):
    add_papers(engine, range(3))
    wanted = add_subscriber(engine, "daily@example.com")
    wednesdays = add_subscriber(engine, "wednesdays@example.com", weekdays=frozenset({2}))
    back = add_subscriber(engine, "back@example.com", paused_until=DAY)
    add_subscriber(engine, "pending@example.com", confirmed_at=None)
    add_subscriber(engine, "mondays@example.com", weekdays=frozenset({0}))
    add_subscriber(engine, "paused@example.com", paused_until=DAY + timedelta(days=1))
    done = cut(engine)
    assert done.candidates == 3
    assert all(due_of(engine, subscriber) for subscriber in (wanted, wednesdays, back))


def test_the_weekday_is_the_subscribers_own(engine):
    """At 20 o'clock UTC on Wednesday it is Thursday in Auckland, where the issue is read on Thursday morning."""
    add_papers(engine, range(3))
    thursdays = add_subscriber(engine, "akl@example.com", zone="Pacific/Auckland", weekdays=frozenset({3}))
    cut(engine)
    assert due_of(engine, thursdays) == datetime(2026, 3, 4, 18, tzinfo=UTC)


def test_after_a_late_cut_subscribers_are_due_at_once_and_not_a_day_later(engine):
    add_papers(engine, range(3))
    subscriber = add_subscriber(engine, "ada@example.com")
    cut(engine, now=MORNING + timedelta(hours=9))
    assert due_of(engine, subscriber) == MORNING + timedelta(hours=1)


def read(engine, outcome):
    with transaction(engine) as connection:
        run = SourceRun("huggingface", DAY, MORNING, outcome, 0, 0, (), "cannot be reached")
        record_run(connection, run)


def test_a_quiet_day_is_cut_too_and_says_why_it_is_empty(engine):
    add_subscriber(engine, "ada@example.com")
    read(engine, SourceHealth.QUIET)
    done = cut(engine)
    assert done.papers == 0
    assert done.note == "No new papers were listed in the last 5 days."


@pytest.mark.parametrize("outcome", [None, SourceHealth.FAILING])
def test_without_papers_and_without_an_answer_no_empty_issue_is_frozen(engine, outcome):
    if outcome:
        read(engine, outcome)
    with pytest.raises(NothingToCut, match="cannot be reached" if outcome else "ever read"):
        cut(engine)
    assert stored(engine) is None
    add_papers(engine, range(3))
    assert cut(engine).created


def test_with_papers_a_failing_source_does_not_stop_the_issue_and_is_named(engine):
    add_papers(engine, range(3))
    read(engine, SourceHealth.FAILING)
    note = cut(engine).note
    assert note == "We couldn’t read Hugging Face when we made this issue. Anything missing will appear in a later one."
    assert stored(engine).note_in("zh-CN").startswith("制作本期时无法读取 Hugging Face")
    assert stored(engine).note_in("en") == stored(engine).note_in("tlh") == note


@pytest.mark.parametrize(("hour", "expected"), [(5, None), (6, date(2026, 3, 4)), (23, date(2026, 3, 4))])
def test_a_date_is_cut_from_its_time_on_and_not_before(hour, expected):
    assert date_to_cut(datetime(2026, 3, 4, hour, tzinfo=UTC), time(6)) == expected

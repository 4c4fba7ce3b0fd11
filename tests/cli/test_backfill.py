"""`digest collect --from … --to …` shows its progress, can be stopped at any time, and continues where it stopped."""

import json
import signal
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from digest.database.engine import read_only
from digest.database.tables import collections, papers, votes
from digest.papers.collecting import first_seen
from tests.support.lists import PAPERS_A_DAY, list_of
from tests.support.replay import Reply, json_reply, replaying

FIRST, LAST = date(2026, 2, 2), date(2026, 2, 6)
DAYS = 5
NOW = datetime(2026, 3, 4, 6, tzinfo=UTC)
SPAN = ("--from", str(FIRST), "--to", str(LAST))


class Lists:
    """The lists of all days, which can be made to hang or to fail from a day on."""

    def __init__(self, replay):
        self.requested = []
        self.hangs_from = self.fails_from = None
        replay.reply = self.reply

    def reply(self, target):
        day = date.fromisoformat(target.partition("date=")[2][:10])
        self.requested.append(day)
        if self.hangs_from and day >= self.hangs_from:
            return Reply(b"[]", silent_seconds=60)
        if self.fails_from and day >= self.fails_from:
            return Reply(b"", status=404)
        return json_reply(list_of(day) if "p=0" in target else [])


@pytest.fixture
def database_url(sqlite_url):
    """tests/papers/collecting checks the stored papers on both databases."""
    return sqlite_url


@pytest.fixture
def lists(clock, database_url, monkeypatch):
    clock.move_to(NOW)
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    monkeypatch.setenv("DIGEST_SOURCES", "huggingface,hackernews")
    with replaying() as replay:
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", replay.url)
        monkeypatch.setenv("DIGEST_HACKERNEWS_URL", replay.url)
        yield Lists(replay)


def stored_days(engine: Engine) -> list[date]:
    with read_only(engine) as connection:
        query = select(collections.c.day).where(collections.c.outcome == "fresh").order_by(collections.c.day)
        return list(connection.scalars(query))


def test_a_backfill_reads_every_day_once_and_says_how_far_it_is(run, lists, engine):
    done = run("collect", *SPAN, "--json")
    document = json.loads(done.stdout)
    assert (done.exit_code, document["left"], document["complete"], document["stopped"]) == (0, 0, 0, False)
    assert lists.requested == [FIRST + timedelta(days=n) for n in range(DAYS)]  # Hacker News knows only of today
    assert f"[{DAYS}/{DAYS}] {LAST} huggingface: {PAPERS_A_DAY} papers listed" in done.stderr
    assert stored_days(engine) == lists.requested


def test_a_second_backfill_has_nothing_to_do_unless_it_is_told_again(run, lists, engine):
    run("collect", *SPAN)
    lists.requested.clear()
    document = json.loads(run("collect", *SPAN, "--json").stdout)
    assert (lists.requested, document["complete"], document["read"]) == ([], DAYS, [])
    run("collect", *SPAN, "--again")
    assert len(lists.requested) == DAYS


def test_a_dry_run_says_what_would_be_read_and_reads_nothing(run, lists, engine):
    document = json.loads(run("collect", *SPAN, "--dry-run", "--json").stdout)
    assert [planned["day"] for planned in document["planned"]] == [str(FIRST + timedelta(days=n)) for n in range(DAYS)]
    assert (lists.requested, stored_days(engine)) == ([], [])


def test_failing_days_are_left_for_the_next_time_and_a_source_that_is_down_is_left_alone(run, lists, engine):
    lists.fails_from = FIRST + timedelta(days=1)
    done = run("collect", *SPAN, "--json")
    assert (done.exit_code, json.loads(done.stdout)["left"], len(lists.requested)) == (1, 4, 4)
    assert "Run the same command again for the remaining 4." in done.stderr
    lists.fails_from = None
    assert run("collect", *SPAN).exit_code == 0
    assert sorted(set(stored_days(engine))) == [FIRST + timedelta(days=n) for n in range(DAYS)]


@pytest.mark.processes
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_backfill_that_is_stopped_in_the_middle_keeps_what_it_read_and_goes_on(run, lists, engine, start_digest, how):
    lists.hangs_from = FIRST + timedelta(days=2)
    process = start_digest("collect", *SPAN)
    deadline = time.monotonic() + 60
    while lists.hangs_from not in lists.requested and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    assert lists.hangs_from in lists.requested
    process.send_signal(how)
    code = process.wait(30)
    assert code == (1 if how is signal.SIGINT else -signal.SIGKILL)
    kept = [FIRST + timedelta(days=n) for n in range(2)]
    assert stored_days(engine) == kept
    lists.hangs_from = None
    lists.requested.clear()
    assert run("collect", *SPAN).exit_code == 0
    assert lists.requested == [FIRST + timedelta(days=n) for n in range(2, DAYS)]
    assert stored_days(engine) == [FIRST + timedelta(days=n) for n in range(DAYS)]


def test_a_month_of_history_does_not_flood_the_next_issue_and_its_votes_are_of_now(run, lists, engine):
    run("collect", *SPAN)
    with read_only(engine) as connection:
        seen = set(connection.scalars(select(papers.c.first_seen_at)))
        observed = set(connection.scalars(select(votes.c.observed_at)))
    assert len(seen) == DAYS
    assert max(seen) < NOW - timedelta(days=5)
    assert min(observed) >= NOW


def test_what_was_missed_within_the_pool_counts_as_seen_now():
    assert first_seen(NOW.date() - timedelta(days=5), NOW, 5) == NOW
    assert first_seen(NOW.date() - timedelta(days=6), NOW, 5) == datetime(2026, 2, 26, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    "wrong",
    [
        ("--to", "2026-02-01"),
        ("--again",),
        ("--from", "2026-02-03", "--to", "2026-02-01"),
        ("--from", "2026-02-03", "--to", "2030-01-01"),
        ("--from", "2026-02-03", "--date", "2026-02-03"),
        ("--from", "last week"),
    ],
)
def test_an_invalid_span_is_a_usage_error(run, lists, wrong):
    assert run("collect", *wrong).exit_code == 2
    assert lists.requested == []

"""Two recorded weeks of May 2026 through scheduler and worker: who gets an email on which day, and what it holds."""

import email
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from email import policy
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import select

from digest import clock as the_clock
from digest import wiring
from digest.database.engine import read_only
from digest.database.tables import deliveries, issue_papers, issues, subscribers
from digest.issues.explain import stored_selection
from digest.issues.selection import Selection
from digest.ledger.kinds import Kind, SkipReason, State
from digest.papers.ranking import FLOOR
from digest.papers.sources.reading import instant_of
from digest.settings import settings
from tests.support.replay import Reply, json_reply, replaying
from tests.support.scenario import ON_SQLITE, SECRET, add_subscriber
from tests.support.smtp_server import SmtpServer
from workers.scheduler import Jobs

FIRST, LAST = date(2026, 5, 13), date(2026, 5, 29)  # three days before the two weeks, so that the pool is not empty
DAYS = [FIRST + timedelta(days=number) for number in range((LAST - FIRST).days + 1)]
WITHOUT_LIST = [date(2026, 5, day) for day in (16, 17, 23, 24, 26)]
CUT, HOUR = time(12), 13  # the lists were read between 10 and 12 o'clock UTC
DEFAULT, FULL, FOLLOWER = "default@example.com", "full@example.com", "follower@example.com"
NEWCOMER, NEWCOMER_FROM = "newcomer@example.com", date(2026, 5, 24)  # a Sunday
SUBSCRIBERS = {DEFAULT: {}, FULL: {"full_lists": True}, FOLLOWER: {"topics": ("agents",)}}


def records(path: Path) -> Iterator[dict]:
    with gzip.open(path, "rt") as lines:
        yield from map(json.loads, lines)


class RecordedLists:
    """Answers as Hugging Face did, with the votes that had been seen by the time of the moved clock."""

    def __init__(self, folder: Path) -> None:
        self.listed, self.votes = defaultdict(list), defaultdict(list)
        for record in records(folder / "daily_papers.jsonl.gz"):
            if record["date"] >= FIRST.isoformat():
                self.listed[record["date"]].append(record)
        ids = {record["id"] for day in self.listed.values() for record in day}
        for seen in records(folder / "votes.jsonl.gz"):
            if seen["id"] in ids:
                self.votes[seen["id"]].append((instant_of(seen["observed_at"]), seen["upvotes"]))

    def reply(self, target: str) -> Reply:
        query, now = parse_qs(urlsplit(target).query), the_clock.now()
        day = self.listed[query["date"][0]] if query["p"] == ["0"] else []
        return json_reply([self._item(record, now) for record in day if instant_of(record["observed_at"]) <= now])

    def _item(self, record: dict, now: datetime) -> dict:
        same = ("id", "title", "summary", "submittedOnDailyAt", "ai_keywords", "githubRepo", "githubStars")
        paper = {name: record[name] for name in same if record.get(name)}
        paper["upvotes"] = max((upvotes for at, upvotes in self.votes[record["id"]] if at <= now), default=0)
        paper["authors"] = [{"name": name} for name in record["authors"]]
        paper["organization"] = {"fullname": record.get("organization", "")}
        return {
            "paper": paper,
            "numComments": record.get("numComments", 0),
            "submittedBy": {"name": record.get("submittedBy", "")},
        }


@pytest.fixture
def inboxes(engine, clock, database_url, shared_data, monkeypatch, tmp_path):
    """The mail server, after scheduler and worker have run for all days."""
    recorded = RecordedLists(shared_data / "hf")
    for address, preferences in SUBSCRIBERS.items():
        add_subscriber(engine, address, hour=HOUR, **preferences)
    with replaying() as source, SmtpServer() as server:
        source.reply = recorded.reply
        environment = {
            "DATABASE_URL": database_url,
            "SOURCES": "huggingface",
            "HUGGINGFACE_URL": source.url,
            "SMTP_URL": server.url,
            "CUT_AT": f"{CUT:%H:%M}",
            "ISSUE_PAPERS": "30",  # cards are rendered for these alone, which is faster
            "DATA_DIR": str(tmp_path),
            "SECRET_KEY": SECRET.decode(),
        }
        for name, value in environment.items():
            monkeypatch.setenv(f"DIGEST_{name}", value)
        settings.cache_clear()
        jobs, worker = Jobs(settings(), engine), wiring.delivery_worker(settings(), engine)
        for day in DAYS:
            if day == NEWCOMER_FROM:
                add_subscriber(engine, NEWCOMER, hour=HOUR)
            clock.move_to(datetime.combine(day, CUT, tzinfo=UTC))
            jobs.cut()
            clock.move_to(datetime.combine(day, time(HOUR), tzinfo=UTC))
            worker.deliver_due(1000)
        worker.close()
        yield server


def lists_of(engine) -> dict[str, dict[date, Selection | str]]:
    """By address and day: the list that was sent, or why there was none."""
    query = select(subscribers.c.email, deliveries).join(subscribers, subscribers.c.key == deliveries.c.recipient)
    query = query.where(deliveries.c.kind == Kind.DIGEST).order_by(deliveries.c.occasion)
    lists: dict[str, dict[date, Selection | str]] = defaultdict(dict)
    with read_only(engine) as connection:
        for row in connection.execute(query).all():
            is_sent = row.state == State.ACCEPTED
            sent = stored_selection(connection, row) if is_sent else None
            lists[row.email][date.fromisoformat(row.occasion)] = sent or row.reason
    return lists


def scores_of(engine) -> dict[tuple[date, str], float]:
    columns = (issues.c.date, issue_papers.c.paper_id, issue_papers.c.score)
    with read_only(engine) as connection:
        rows = connection.execute(select(*columns).join(issues, issues.c.id == issue_papers.c.issue_id))
        return {(day, paper_id): score for day, paper_id, score in rows}


@pytest.mark.long
@ON_SQLITE
def test_two_recorded_weeks_have_no_filler_and_nobody_misses_a_day_that_they_asked_for(inboxes, engine):
    lists, scores = lists_of(engine), scores_of(engine)
    for address, days in lists.items():
        picks = [pick.paper_id for chosen in days.values() if isinstance(chosen, Selection) for pick in chosen.picks]
        assert len(picks) == len(set(picks)), address

    assert list(lists[DEFAULT]) == list(lists[FULL]) == DAYS
    assert [len(chosen.picks) for chosen in lists[FULL].values()] == [10] * len(DAYS)

    sent = {day: chosen for day, chosen in lists[DEFAULT].items() if chosen != SkipReason.TOO_FEW}
    assert [day for day in DAYS if day not in sent] == WITHOUT_LIST
    assert min(scores[day, pick.paper_id] for day, chosen in sent.items() for pick in chosen.picks) >= FLOOR
    since = {day.day: chosen.since.day for day, chosen in sent.items() if chosen.since}
    assert since == {18: 16, 25: 23, 27: 26}
    received = [email.message_from_bytes(taken.content, policy=policy.default) for taken in inboxes.taken_for(DEFAULT)]
    notices = ["We didn’t email you" in str(message.get_body(("plain",)).get_content()) for message in received]
    assert [day.day for day, noticed in zip(sent, notices, strict=True) if noticed] == list(since)

    first = lists[NEWCOMER][NEWCOMER_FROM]
    assert (first.first, len(first.picks)) == (True, 10)  # on a Sunday with too little for others
    own = lists[FOLLOWER][date(2026, 5, 23)].picks
    assert own
    assert any("you follow" in pick.why for pick in own)

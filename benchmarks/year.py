"""Measures whether a small installation on SQLite is as fast after a year as on its first day.

`python -m benchmarks.year [--subscribers N] [--days D] [--json]`: with the papers, votes, readings and events of D days
in the archive, three issues are cut and sent; then the issues and deliveries of D earlier days are inserted while the
retention of the scheduler runs, and three more issues are cut and sent. A fake mail server accepts every
message at once. Figures of seconds are CPU time of this process, the median of three issues; `new_cut_s` is that of a
cut before there was an archive.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection, Engine, func, insert, select, text

from benchmarks import world
from benchmarks.command import command, run
from digest import wiring
from digest.database.engine import checkpoint, connect, keep_log, read_only, transaction
from digest.database.migrate import migrate
from digest.database.tables import deliveries, issues, subscribers
from digest.issues.publish import publish
from digest.issues.selection import IssueCache
from digest.ledger.totals import store_totals
from digest.mail.compose.composer import Composer
from digest.mail.delivery.journal import Journal
from digest.mail.delivery.worker import DeliveryWorker, WorkerSettings
from digest.monitoring.retention.run import delete_old
from digest.papers.paper import Votes
from digest.papers.store import keep_papers, keep_votes
from digest.settings import Settings
from digest.settings.composing import languages, mail_context, replay_log
from digest.smtp import Phase, Reply

FIRST = date(2026, 1, 5)
_MEASURED = 3  # issues, before and after
_A_DAY = 40  # papers
_VOTES = 60  # observations of each
_READINGS, _EVENTS = 96, 40  # a day
_BETWEEN = 30  # days between two runs of retention while the ledger is filled
_SLOWER, _GIGABYTE = 1.15, 1_000_000_000


class InstantSender:
    """Accepts every message at once."""

    def submit(self, window: Any, now: Any, _begin_until: float) -> "Future[list[Reply]]":
        future: Future[list[Reply]] = Future()
        future.set_result([Reply(each.id, Phase.CONTENT, 250, "2.0.0 queued", now()) for each in window])
        return future

    def close(self, patience: float = 0) -> None:
        pass


def main() -> None:
    """Run the benchmark and print what it measured."""
    parser = command("year", __doc__)
    parser.add_argument("--subscribers", type=int, default=1_000, help="subscribers (1000)")
    parser.add_argument("--days", type=int, default=362, help="days of the year (362)")
    run(parser.parse_args(), _measure, lambda results: bool(results["keeps"]))


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    with installation() as (settings, engine):
        return _year(engine, settings, options)


@contextmanager
def installation(**values: Any) -> Iterator[tuple[Settings, Engine]]:
    """An empty installation on SQLite, in a folder that is deleted afterwards; `values` are settings."""
    with tempfile.TemporaryDirectory(prefix="year-") as folder:
        settings = Settings(data_dir=Path(folder), secret_key=SecretStr(world.SECRET), **values)
        migrate(settings.database)
        engine = keep_log(connect(settings.database), replay_log(settings))
        try:
            yield settings, engine
        finally:
            engine.dispose()


def _year(engine: Engine, settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    add_subscribers(engine, options.subscribers)
    for day in range(-5, 0):
        add_papers(engine, FIRST + timedelta(days=day))
    new_cut, _ = _issue(engine, settings, FIRST - timedelta(days=1))
    source = FIRST - timedelta(days=1)
    with transaction(engine) as connection:
        for day in range(6, options.days + 1):
            _copy_papers(connection, source, -day)
    first = [_issue(engine, settings, FIRST + timedelta(days=day)) for day in range(_MEASURED)]
    size_at_first = size(engine)
    now = datetime.combine(FIRST + timedelta(days=_MEASURED), time_of_day(0, 30), tzinfo=UTC)
    deleted: Counter[str] = Counter()
    for begin in range(1, options.days + 1, _BETWEEN):
        with transaction(engine) as connection:
            for day in range(begin, min(begin + _BETWEEN, options.days + 1)):
                _copy_issue(connection, source, -day)
        deleted.update(delete_old(engine, settings, now, seconds=600))
    with read_only(engine) as connection:
        rows = connection.scalar(select(func.count()).select_from(deliveries))
    after = [_issue(engine, settings, FIRST + timedelta(days=_MEASURED + day)) for day in range(_MEASURED)]
    size_later = size(engine)
    ratio = statistics.median(map(sum, after)) / statistics.median(map(sum, first))
    return {
        "subscribers": options.subscribers,
        "deliveries": rows,
        "new_cut_s": round(new_cut, 3),
        "first_cut_s": _median(first, 0),
        "first_sending_s": _median(first, 1),
        "later_cut_s": _median(after, 0),
        "later_sending_s": _median(after, 1),
        "ratio": round(ratio, 3),
        "first_mb": round(size_at_first / 1e6, 1),
        "later_mb": round(size_later / 1e6, 1),
        "retention_deleted": {name: number for name, number in deleted.items() if number},
        "keeps": ratio <= _SLOWER and size_later <= _GIGABYTE,
    }


def _median(times: list[tuple[float, float]], which: int) -> float:
    return round(statistics.median(each[which] for each in times), 3)


def _issue(engine: Engine, settings: Settings, day: date) -> tuple[float, float]:
    """Return the CPU seconds to cut the issue of `day`, and to choose, compose and record its messages."""
    add_papers(engine, day)
    now = datetime.combine(day, time_of_day(6), tzinfo=UTC)
    began = time.process_time()
    plan = replace(wiring.plan(settings), cut=time_of_day(0))
    issue = publish(engine, plan, day, now)
    cut = time.process_time() - began
    journal = Journal(settings.data_dir / "journal", f"year-{day}")
    issues_ = IssueCache(engine, languages())
    composer = Composer(engine, mail_context(settings), journal.making, issues_)
    worker_settings = WorkerSettings(f"year-{day}", hold=False, now=lambda: now)
    sender: Any = InstantSender()
    began = time.process_time()
    throttle = wiring.throttle(settings, engine)
    with closing(DeliveryWorker(engine, sender, composer, throttle, journal, worker_settings)) as worker:
        while worker.deliver_due(100_000, 3600).handled:
            pass
    sending = time.process_time() - began
    if worker.accepted < 0.9 * issue.candidates:
        raise RuntimeError(f"only {worker.accepted} of {issue.candidates} messages of {day} were sent")
    with transaction(engine) as connection:
        store_totals(connection, issue.issue_id)
    return cut, sending


def add_subscribers(engine: Engine, count: int) -> None:
    rows = list(world.subscriber_rows(range(1, count + 1), FIRST, spread=True))
    lists = ("keywords", *world.NOT_CHOSEN)
    with transaction(engine) as connection:
        plain = [row | {"zone": "UTC", "hour": 0} | {name: json.loads(row[name]) for name in lists} for row in rows]
        connection.execute(insert(subscribers), plain)


def add_papers(engine: Engine, day: date) -> None:
    """Store the papers of a day, with their votes."""
    seen_at = datetime.combine(day - timedelta(days=1), time_of_day(12), tzinfo=UTC)
    generator = random.Random(day.toordinal())
    papers = []
    for number in range(_A_DAY):
        paper = world.paper(generator.randrange(1, 99_999), seen_at)
        papers.append(replace(paper, id=f"{day:%y%m}.{day.day:02}{number:03}", abstract=paper.summary * 6))
    final = [int(generator.paretovariate(0.9) * 3) for _ in papers]
    observed = [
        Votes(paper.id, "huggingface", seen_at + timedelta(minutes=15 * step), most * (step + 1) // _VOTES)
        for paper, most in zip(papers, final, strict=True)
        for step in range(_VOTES)
    ]
    with transaction(engine) as connection:
        keep_papers(connection, "huggingface", seen_at, papers)
        keep_votes(connection, observed)


def _copy_issue(connection: Connection, source: date, days: int) -> None:
    """Copy an issue with its deliveries to a date `days` later."""
    old = connection.scalar(select(issues.c.id).where(issues.c.date == source))
    new = connection.scalar(select(func.max(issues.c.id))) + 1
    values = {"old": old, "new": new, "day": str(source + timedelta(days=days)), "later": f"{days:+d} days"}
    _copy(connection, "issues", {"id": ":new", "date": ":day"}, ("cut_at", "finished_at"), "id = :old", values)
    for name in ("issue_papers", "issue_topics", "issue_totals", "issue_schedule", "pools", "fragments", "cards"):
        of_issue = {"issue_totals": ("last_at",), "issue_schedule": ("at",)}.get(name, ())
        _copy(connection, name, {"issue_id": ":new"}, of_issue, "issue_id = :old", values)
    instants = ("due_at", "next_attempt_at", "finished_at", "created_at", "composed_at")
    fixed = {"id": "NULL", "issue_id": ":new", "occasion": ":day"}
    _copy(connection, "deliveries", fixed, instants, "issue_id = :old", values)


def _copy_papers(connection: Connection, source: date, days: int) -> None:
    """Copy the papers of a day, their votes, and the readings and events of that day to a date `days` later."""
    day = source + timedelta(days=days)
    values = {"day": str(day), "later": f"{days:+d} days"}
    own_id, mine = f"'{day:%y%m.%d}' || substr({{}}, 8)", f"{{}} LIKE '{source:%y%m}.{source.day:02}%'"
    instants = ("listed_at", "first_seen_at", "last_seen_at")
    _copy(connection, "papers", {"id": own_id.format("id")}, instants, mine.format("id"), values)
    fixed = {"paper_id": own_id.format("paper_id")}
    _copy(connection, "votes", fixed, ("observed_at",), mine.format("paper_id"), values)
    for number in range(_READINGS):
        connection.execute(_READING, {"day": str(day), "at": f"+{number * 15} minutes"})
    for number in range(_EVENTS):
        connection.execute(_EVENT, {"day": str(day), "at": f"+{number * 30} minutes"})


_READING = text(
    "INSERT INTO collections (source, day, started_at, outcome, papers, new, unreadable, message, facts) "
    "VALUES ('huggingface', :day, datetime(:day, :at) || '.000000', 'fresh', 40, 1, '[]', '', '{}')"
)
_EVENT = text(
    "INSERT INTO events (at, subject, what, detail) "
    "VALUES (datetime(:day, :at) || '.000000', 'source:huggingface', 'read', '{\"papers\": 40}')"
)


def _copy(
    connection: Connection,
    name: str,
    fixed: dict[str, str],
    instants: tuple[str, ...],
    which: str,
    values: dict[str, Any],
) -> None:
    columns = [row[1] for row in connection.execute(text(f"PRAGMA table_info({name})"))]
    shifted = {each: f"datetime({each}, :later) || '.000000'" for each in instants}
    if name == "votes":  # instants of one paper stay apart
        shifted = {"observed_at": "strftime('%Y-%m-%d %H:%M:%f', observed_at, :later) || '000'"}
    sources = [fixed.get(column, shifted.get(column, f'"{column}"')) for column in columns]
    names = ", ".join(f'"{column}"' for column in columns)
    statement = f"INSERT OR IGNORE INTO {name} ({names}) SELECT {', '.join(sources)} FROM {name} WHERE {which}"
    used = {key: value for key, value in values.items() if f":{key}" in statement}
    connection.execute(text(statement), used)


def size(engine: Engine) -> int:
    checkpoint(engine)
    return Path(engine.url.database or "").stat().st_size


if __name__ == "__main__":
    main()

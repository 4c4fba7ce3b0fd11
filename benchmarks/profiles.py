"""Measures what opinions cost at the cut, in the background and in the workers.

`python -m benchmarks.profiles [--subscribers N] [--pool P] [--json]`: PostgreSQL with fsync, N subscribers who are due,
P papers in the pool and 2,000 older ones in the archive. An issue is cut without opinions; then each subscriber has 20
on the older papers, the scheduler's jobs run, and another is cut. The lists of 10,000 messages of each issue are chosen
in a process of its own, in claims of 500. Figures of milliseconds are CPU time of that process.
"""

import argparse
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from multiprocessing import get_context
from os import getpid
from typing import Any, NamedTuple

import psycopg
from pydantic import SecretStr
from sqlalchemy import Engine, select

from benchmarks import world
from benchmarks.command import command, run
from benchmarks.installation import progress
from benchmarks.proc import memory_mb
from benchmarks.servers import running_postgres
from digest.database.dialect import in_list
from digest.database.engine import connect, read_only, transaction
from digest.database.tables import deliveries, paper_vectors, profiles, stale_profiles, subscribers
from digest.issues.profiles import refresh_profiles, renew_space
from digest.issues.selection import IssueCache, histories, papers_for
from digest.language import Languages
from digest.ledger.deliveries import DELIVERY, delivery_of
from digest.papers.paper import Paper, Votes
from digest.papers.store import keep_papers, keep_votes
from digest.settings import Settings
from digest.subscribers.store import RECIPIENT, recipient_of

_OLDER, _SUBJECTS, _OPINIONS, _DISLIKED = 2_000, 26, 20, 3
_MESSAGES, _CLAIM = 10_000, 500
# As many words as the papers of a month have, so that they fill all dimensions of a space.
_WORDS = [first[:4] + last[-4:] for first in world.SUBJECTS for last in world.SUBJECTS[::4]]
_FREQUENCIES = [1 / rank for rank in range(1, len(_WORDS[::_SUBJECTS]) + 1)]  # of a subject's words


class Chosen(NamedTuple):
    """The cost of choosing lists in a worker."""

    ms: float  # for each message
    peak_mb: float
    with_affinity: int  # picks


def main() -> None:
    """Run the benchmark and print what it measured."""
    parser = command("profiles", __doc__)
    parser.add_argument("--subscribers", type=int, default=100_000, help="subscribers (100000)")
    parser.add_argument("--pool", type=int, default=1_400, help="papers of the pool (1400)")
    run(parser.parse_args(), _measure, lambda _results: True)


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    today = datetime.now(UTC).date()
    with running_postgres() as postgres:
        database, rows = postgres.make("profiles"), range(1, options.subscribers + 1)
        _add_papers(database, options.pool, today)
        world.add_subscribers(database, rows, today, spread=True)
        without, cut_without = _cut(database, today - timedelta(days=1))
        progress(f"cut without opinions in {cut_without:.1f} s")
        _add_opinions(database, rows, today)
        jobs = _learn(database)
        with_opinions, cut_with = _cut(database, today)
        progress(f"cut with opinions in {cut_with:.1f} s")
        stored = _bytes(database, "profiles") + _bytes(database, "stale_profiles")
        # Each in a new process: memory at its peak, and imports, are then its own.
        before, after = (_in_own_process(database, issue_id) for issue_id in (without, with_opinions))
    return {
        "subscribers": options.subscribers,
        "pool": options.pool,
        **jobs,
        "cut_seconds": round(cut_with, 2),
        "cut_seconds_without": round(cut_without, 2),
        "bytes_a_subscriber": round(stored / options.subscribers),
        "choose_ms": round(after.ms, 4),
        "choose_ms_without": round(before.ms, 4),
        "worker_mb": round(after.peak_mb - before.peak_mb, 1),
        "picks_with_affinity": round(after.with_affinity / _MESSAGES, 2),
    }


def _add_papers(database: str, pool: int, today: date) -> None:
    """The pool, first seen the day before yesterday, and older papers."""
    engine, noon = connect(database), datetime.combine(today, time_of_day(12), tzinfo=UTC)
    for numbers, days in ((range(_OLDER), 40), (range(_OLDER, _OLDER + pool), 2)):
        seen_at = noon - timedelta(days=days)
        papers = [_paper(number, seen_at) for number in numbers]
        votes = [Votes(paper.id, "huggingface", seen_at, len(papers) - rank) for rank, paper in enumerate(papers)]
        with transaction(engine) as connection:
            keep_papers(connection, "huggingface", seen_at, papers)
            keep_votes(connection, votes)
    engine.dispose()


def _paper(number: int, seen_at: datetime) -> Paper:
    """A paper on one of 26 subjects, each with a vocabulary of its own; no title is nearly that of another."""
    chance = random.Random(number)
    subject = _WORDS[number % _SUBJECTS :: _SUBJECTS]
    words = [*chance.choices(subject, _FREQUENCIES, k=50), *chance.choices(_WORDS, k=60)]
    followed = chance.choices(world.SUBJECTS, k=6)  # as the subscribers' keywords
    title = " ".join([*chance.sample(words, 6), *followed[:3]]).title()
    abstract = " ".join([*words, *followed[3:]])
    return replace(world.paper(number, seen_at), title=title, abstract=abstract, summary="")


def _add_opinions(database: str, subscriber_ids: range, today: date) -> None:
    chance, at = random.Random(17), datetime.combine(today - timedelta(days=10), time_of_day(), tzinfo=UTC)
    copying = "COPY opinions (subscriber_id, paper_id, said, at) FROM STDIN"
    with psycopg.connect(database) as connection, connection.cursor() as cursor, cursor.copy(copying) as copy:
        for subscriber_id in subscriber_ids:
            subject = range(subscriber_id % _SUBJECTS, _OLDER, _SUBJECTS)
            rated = {*chance.sample(subject, _OPINIONS // 2), *chance.sample(range(_OLDER), _OPINIONS)}
            for number, paper in enumerate(sorted(rated)[:_OPINIONS]):
                kind = "less" if number < _DISLIKED else "more"
                copy.write_row([subscriber_id, f"2603.{paper:05}", kind, at])
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def _cut(database: str, day: date) -> tuple[int, float]:
    """The id of the issue, and the seconds that its cut took."""
    engine = connect(database)
    began = time.monotonic()
    issue_id = world.cut(engine, Settings(secret_key=SecretStr(world.SECRET)), day).issue_id
    seconds = time.monotonic() - began
    engine.dispose()
    return issue_id, seconds


def _learn(database: str) -> dict[str, float]:
    """Seconds of the jobs, and milliseconds of wall-clock time for each profile; then of a run without changes."""
    engine, now = connect(database), datetime.now(UTC)
    began = time.monotonic()
    renew_space(engine, now)
    fitted = time.monotonic()
    count = refresh_profiles(engine, now)
    computed = time.monotonic()
    refresh_profiles(engine, now)
    idle = time.monotonic()
    dimensions = _dimensions(engine, count)
    engine.dispose()
    return {
        "dimensions": dimensions,
        "fit_seconds": round(fitted - began, 1),
        "profile_ms": round((computed - fitted) * 1000 / count, 3),
        "idle_job_seconds": round(idle - computed, 3),
    }


def _dimensions(engine: Engine, subscribers: int) -> int:
    """Check that each subscriber has a profile that says something, and return how long their vectors are."""
    with read_only(engine) as connection:
        if connection.scalar(select(stale_profiles.c.subscriber_id).limit(1)) is not None:
            sys.exit("profiles are still stale")
        stored = connection.execute(select(profiles.c.weights, profiles.c.words)).all()
        (vectors,) = connection.execute(select(paper_vectors.c.vector).limit(1)).scalars()
    (length,) = {len(row.weights) for row in stored} | {len(vectors)}
    if len(stored) != subscribers or not all(any(row.weights) and row.words for row in stored):
        sys.exit("a profile is missing or empty")
    return length - 4  # without the scale


def _bytes(database: str, table: str) -> int:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"VACUUM {table}".encode())
        row = connection.execute("SELECT pg_total_relation_size(%s)", [table]).fetchone()
    return int(row[0]) if row else 0


def _in_own_process(database: str, issue_id: int) -> Chosen:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(choose_lists, database, issue_id).result()


def choose_lists(database: str, issue_id: int) -> Chosen:
    """Choose the lists of many messages of an issue, as a worker does; the first claim is not counted."""
    engine = connect(database)
    issues = IssueCache(engine, Languages())
    seconds, counted, with_affinity = 0.0, 0, 0
    with read_only(engine) as connection:
        of_issue = select(*DELIVERY).where(deliveries.c.issue_id == issue_id).order_by(deliveries.c.id)
        claims = [delivery_of(row) for row in connection.execute(of_issue.limit(_MESSAGES + _CLAIM))]
        for start in range(0, len(claims), _CLAIM):
            some = claims[start : start + _CLAIM]
            theirs = in_list(connection, subscribers.c.id, {claim.subscriber_id or 0 for claim in some})
            rows = connection.execute(select(*RECIPIENT).where(theirs))
            people = {row.id: recipient_of(row).preferences for row in rows}
            began = time.process_time()
            history = histories(connection, "", some, issues.get)
            chosen = [
                papers_for(issues.get(issue_id), people[claim.subscriber_id or 0], history[claim.id]) for claim in some
            ]
            if start:
                seconds, counted = seconds + time.process_time() - began, counted + len(some)
                with_affinity += sum("affinity" in pick.terms for each in chosen for pick in getattr(each, "picks", ()))
    engine.dispose()
    return Chosen(seconds * 1000 / counted, memory_mb(getpid())[1], with_affinity)


if __name__ == "__main__":
    main()

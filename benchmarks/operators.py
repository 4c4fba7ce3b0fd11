"""Measures `digest status` and the console on a large installation on PostgreSQL, in three states of today's issue.

`python -m benchmarks.operators [--subscribers 1000000] [--issues 10]`: fills a database with subscribers and an issue
to each on every day, the last of them today's. For today's issue just cut, half sent and finished, it prints the median
time of a reading in a process that runs already, its CPU time together with the database's, and the time of the whole
command, in seconds; the slowest statement; and the 95th percentile of each page of the console, in a web process that
runs already. Exit code 1 if a command takes more than two seconds, or a page more than .3. The database takes 5 GB for
ten million deliveries.
"""

import argparse
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import psycopg
from sqlalchemy import Engine, event

from benchmarks.command import Results, command, run
from benchmarks.console_pages import console, paths
from benchmarks.installation import Installation, own_folder, progress, settings
from benchmarks.proc import cpu_seconds, parent
from benchmarks.servers import running_postgres
from digest.database.engine import connect, read_only, transaction
from digest.ledger.queueing import store_schedule
from digest.ledger.totals import store_totals
from digest.monitoring.status import read_status
from digest.run import processes
from digest.subscribers.growth import count_days, store_days

_LIMIT_SECONDS, _PAGE_SECONDS = 2.0, 0.3
_READINGS, _COMMANDS = 7, 3
_SUBSCRIBERS = """
    INSERT INTO subscribers (email, key, status, topics, keywords, categories, authors, labs, muted_topics, muted_words,
        surprise, balance, papers, full_lists, frequency, weekdays, zone, hour, language, link_version, requested_at,
        requested_from, form, confirmed_at, confirmed_from, created_at, changed_at)
    SELECT 'subscriber' || n || '@example.org', lpad(to_hex(n), 32, '0'),
        CASE WHEN n % 50 = 0 THEN 'unsubscribed' WHEN n % 100 = 1 THEN 'pending' ELSE 'confirmed' END,
        '[]', '[]', '[]', '[]', '[]', '[]', '[]', true, 'both', 10, false, 'daily', 127, 'UTC', 7, '', 0,
        now(), '', 'import', now(), '', now(), now()
    FROM generate_series(1, {subscribers}) n
"""
_ISSUE = """
    INSERT INTO issues (kind, date, cut_at, status, formula, weights, settings, candidates, note)
    VALUES ('daily', {day}, {day} + time '00:00', 'running', 'v1', '{{}}', '{{}}', {subscribers}, '') RETURNING id
"""
# Rows like those that the delivery of an issue leaves: a selection of ten papers, and the mail server's last reply.
_DELIVERIES = """
    INSERT INTO deliveries (kind, occasion, recipient, issue_id, subscriber_id, due_at, next_attempt_at, state, reason,
        attempts, crashes, worker, selection, message_id, sha256, composed_at, in_doubt, reply_code, reply_enhanced,
        reply_text, finished_at, created_at)
    SELECT 'digest', {day}::date::text, lpad(to_hex(n), 32, '0'), {issue}, n, {day}, {day}, state,
        CASE state WHEN 'skipped' THEN 'nothing new' ELSE '' END, 0, 0, '',
        CASE WHEN state IN ('accepted', 'refused') THEN '{selection}'::jsonb END,
        '', '', {day}, false, CASE state WHEN 'accepted' THEN 250 END, '',
        CASE state WHEN 'accepted' THEN '2.0.0 Ok: queued as 4F1A2B3C4D' ELSE '' END,
        CASE WHEN state IN ('queued', 'sending') THEN NULL ELSE {day} + time '07:00' END, {day}
    FROM (SELECT n, {state} AS state FROM generate_series(1, {subscribers}) n) AS made
"""
_SELECTION = {
    "picks": [[f"2603.{number:05}", "in your topics"] for number in range(10)], "left_out": 3, "language": "en"
}  # fmt: skip
_TEXT = json.dumps(_SELECTION)
_PAST = """CASE WHEN n % 100 = 0 THEN 'refused' WHEN n % 50 = 7 THEN 'skipped' ELSE 'accepted' END"""
_COLLECTIONS = """
    INSERT INTO collections (source, day, started_at, outcome, papers, new, unreadable, message, facts)
    SELECT source, (now() - n * interval '20 minutes')::date, now() - n * interval '20 minutes', 'fresh', 200, 0, '[]',
        '200 papers listed', '{}'
    FROM generate_series(1, 26000) n, unnest(ARRAY['huggingface', 'arxiv', 'hackernews']) source
"""
# As the workers change rows: half of today's, spread over all, then the rest of them.
_HALF_SENT = """
    UPDATE deliveries SET state = 'accepted', finished_at = now(), reply_code = 250, selection = '{selection}'::jsonb
    WHERE issue_id = {issue} AND state = 'queued' AND subscriber_id % 2 = {remainder}
"""


def _count(url: str, issue: int, scheduled: bool = False) -> None:
    """Store the totals of an issue, and its schedule, which the statements above have passed over."""
    engine = connect(url)
    with transaction(engine) as connection:
        store_totals(connection, issue)
        if scheduled:
            store_schedule(connection, [issue])
    engine.dispose()


def _count_days(url: str) -> None:
    """Count the subscribers of each day, as the scheduler does every hour."""
    engine = connect(url)
    with read_only(engine) as connection:
        days = count_days(connection)
    with transaction(engine) as connection:
        store_days(connection, days, datetime.now(UTC))
    engine.dispose()


def _fill(url: str, connection: "psycopg.Connection[Any]", subscribers: int, issues: int) -> int:
    """Returns the number of today's issue, which is just cut."""
    execute(connection, _SUBSCRIBERS.format(subscribers=subscribers))
    execute(connection, _COLLECTIONS)
    issue = 0
    for back in range(issues - 1, -1, -1):
        progress(f"  an issue to {subscribers:,} subscribers, {back} days old")
        day = f"(now() AT TIME ZONE 'UTC')::date - {back}"
        issue = execute(connection, _ISSUE.format(day=f"({day})", subscribers=subscribers))
        state = _PAST if back else "'queued'"
        values = {"day": f"({day})", "issue": issue, "state": state, "subscribers": subscribers, "selection": _TEXT}
        execute(connection, _DELIVERIES.format(**values))
        _count(url, issue, scheduled=True)
        if back == 1:
            execute(connection, "VACUUM ANALYZE")  # as autovacuum does by then, but not for what is new
    return issue


def execute(connection: "psycopg.Connection[Any]", statement: str) -> int:
    """Returns the first value, if the statement returns rows."""
    cursor = connection.execute(statement.encode())
    return int(cursor.fetchall()[0][0]) if cursor.description else 0


@contextmanager
def _slowest(engine: Engine) -> Iterator[dict[str, float]]:
    """Seconds by the statement's beginning."""
    times: dict[str, float] = {}
    began: list[float] = []

    def before(*_about: Any) -> None:
        began.append(time.perf_counter())

    def after(_connection: Any, _cursor: Any, statement: str, *_about: Any) -> None:
        table = statement.partition("FROM ")[2].split()[:1]
        times[f"{table} {hash(statement) % 1000}"] = time.perf_counter() - began.pop()

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    yield times
    event.remove(engine, "before_cursor_execute", before)
    event.remove(engine, "after_cursor_execute", after)


def _measure_state(installation: Installation, server: int, options: argparse.Namespace, name: str) -> Results:
    """`server`: the process whose children work for the database."""
    subscribers, issues = options.subscribers, options.issues
    chosen, readings, cpu, commands = installation.read_settings(), [], [], []
    engine = connect(chosen.database)
    for _ in range(_READINGS):
        began, cpu_began = time.perf_counter(), time.process_time() + cpu_seconds(server)
        with _slowest(engine) as times:
            status = read_status(engine, chosen, datetime.now(UTC))
        readings.append(time.perf_counter() - began)
        cpu.append(time.process_time() + cpu_seconds(server) - cpu_began)
    engine.dispose()
    today = datetime.now(UTC).date()
    with console(installation) as browser:
        pages = browser.measure(paths(today, today - timedelta(days=issues // 2), subscribers // 2))
    for _ in range(_COMMANDS):
        began = time.perf_counter()
        screen = installation.digest("status").decode()
        commands.append(time.perf_counter() - began)
    progress(screen)
    slowest = max(times, key=lambda statement: times[statement])
    return {
        f"{name}, reading": round(median(readings), 3),
        f"{name}, its CPU": round(median(cpu), 3),
        f"{name}, command": round(median(commands), 3),
        f"{name}, slowest": f"{slowest}: {times[slowest]:.3f}",
        f"{name}, accepted": status.issues[0].accepted,
        **{f"{name}, page {path}": seconds for path, seconds in pages.items()},
    }


def _measure(options: argparse.Namespace) -> Results:
    with own_folder(options.keep) as folder, running_postgres() as server:
        url = server.make("operators")
        installation = Installation(folder, settings(folder, url, "", 9, web_port=processes.free_port()))
        with psycopg.connect(url, autocommit=True) as connection:
            server_process, began = parent(connection.info.backend_pid), time.monotonic()
            issue = _fill(url, connection, options.subscribers, options.issues)
            _count_days(url)
            size = execute(connection, "SELECT pg_database_size(current_database())") / 1e9
            progress(f"  filled in {time.monotonic() - began:.0f} s, {size:.1f} GB")
            results: Results = {"deliveries": options.subscribers * options.issues, "gigabytes": round(size, 1)}
            results |= _measure_state(installation, server_process, options, "just cut")
            execute(connection, _HALF_SENT.format(issue=issue, remainder=0, selection=_TEXT))
            _count(url, issue)
            results |= _measure_state(installation, server_process, options, "half sent")
            execute(connection, _HALF_SENT.format(issue=issue, remainder=1, selection=_TEXT))
            _count(url, issue)
            return results | _measure_state(installation, server_process, options, "finished")


def _keeps(results: Results) -> bool:
    limits = {name: _PAGE_SECONDS if ", page " in name else _LIMIT_SECONDS for name in results}
    judged = [name for name in results if ", page " in name or name.endswith("command")]
    return all(results[name] <= limits[name] for name in judged)


if __name__ == "__main__":
    parser = command("operators", __doc__)
    parser.add_argument("--subscribers", type=int, default=1_000_000)
    parser.add_argument("--issues", type=int, default=10)
    run(parser.parse_args(), _measure, _keeps)

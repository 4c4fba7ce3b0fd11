"""Makes an installation's database as old as a real one: earlier issues with their deliveries, and feedback.

Knows no module of Digest, so that any version can be measured in the same world. The deliveries are copies of those of
one issue that the version itself delivered, so they are stored as that version stores them.
"""

from datetime import date, timedelta
from typing import Any, LiteralString

import psycopg

ISSUES = 30
_RATERS = 3  # one subscriber in so many gave feedback
_FEEDBACK = 20  # papers
_IN_POOL = 5  # of them in today's pool
_OF_ISSUE = ("issue_papers", "issue_topics", "pools", "fragments")


def age(database: str, sample: date, today: date, subscribers: int, issues: int = ISSUES) -> None:
    """Give subscribers 1 to `subscribers` a message of each of `issues` days, like those delivered of `sample`."""
    with psycopg.connect(database, autocommit=True) as connection:
        row = connection.execute("SELECT id FROM issues WHERE date = %s", [sample]).fetchone()
        assert row is not None
        connection.execute("SET work_mem = '256MB'")
        connection.execute(_SUBSCRIBERS, {"most": subscribers})
        connection.execute(_MESSAGES, {"issue": row[0]})
        days = [today - timedelta(days=back) for back in range(2, issues + 3)]
        for day in sorted(set(days) - {sample})[-issues:]:
            _copy_issue(connection, row[0], sample, day)
        connection.execute(_OPINIONS, {"in_pool": _IN_POOL, "count": _FEEDBACK, "one_in": _RATERS})
        connection.execute("DROP TABLE aged_subscribers, aged_messages")
        connection.execute("VACUUM ANALYZE")


def bytes_per_delivery(database: str) -> float:
    """The size of the ledger with its indexes, after a vacuum, divided by its rows."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("VACUUM deliveries")
        row = connection.execute(
            "SELECT pg_total_relation_size('deliveries')::float8 / count(*) FROM deliveries"
        ).fetchone()
    assert row is not None
    return float(row[0])


def _copy_issue(connection: "psycopg.Connection[Any]", source: int, sample: date, day: date) -> None:
    later = f"interval '{(day - sample).days} days'"
    row = connection.execute("SELECT nextval(pg_get_serial_sequence('issues', 'id'))").fetchone()
    assert row is not None
    new = str(row[0])
    fixed = {"id": new, "date": f"DATE '{day}'"}
    _copy(connection, "issues", fixed, ("cut_at", "finished_at"), later, f"id = {source}")
    for name in _OF_ISSUE:
        _copy(connection, name, {"issue_id": new}, (), later, f"issue_id = {source}")
    fixed = {
        "id": "nextval(pg_get_serial_sequence('deliveries', 'id'))",
        "issue_id": new,
        "occasion": f"'{day}'",
        "recipient": "each.key",
        "subscriber_id": "each.id",
        "message_id": f"'digest.' || md5(each.key || '{day}') || '@example.org'",
    }
    instants = ("due_at", "next_attempt_at", "finished_at", "created_at", "composed_at")
    names, values = _columns(connection, "deliveries", fixed, instants, later)
    # In the order of the keys, as a cut queues them.
    connection.execute(
        f"INSERT INTO deliveries ({names}) SELECT {values} FROM aged_messages old JOIN aged_subscribers each "
        f"ON old.number = (each.number + {(sample - day).days * 37}) % (SELECT count(*) FROM aged_messages) "
        "ORDER BY each.number".encode()
    )


def _copy(
    connection: "psycopg.Connection[Any]",
    name: str,
    fixed: dict[str, str],
    instants: tuple[str, ...],
    later: str,
    which: str,
) -> None:
    names, values = _columns(connection, name, fixed, instants, later)
    if names:  # else a version without this table
        connection.execute(f"INSERT INTO {name} ({names}) SELECT {values} FROM {name} old WHERE {which}".encode())


def _columns(
    connection: "psycopg.Connection[Any]", name: str, fixed: dict[str, str], instants: tuple[str, ...], later: str
) -> tuple[str, str]:
    """The columns of a table, and the expressions for a copy of a row of it."""
    query: LiteralString = "SELECT column_name FROM information_schema.columns WHERE table_name = %s"
    names = [str(column) for (column,) in connection.execute(query, [name])]
    shifted = {column: f'old."{column}" + {later}' for column in instants}
    values = [fixed.get(column) or shifted.get(column) or f'old."{column}"' for column in names]
    return ", ".join(f'"{column}"' for column in names), ", ".join(values)


_SUBSCRIBERS: LiteralString = """
    CREATE TABLE aged_subscribers AS
    SELECT id, key, row_number() OVER (ORDER BY key) AS number FROM subscribers WHERE id <= %(most)s
"""
_MESSAGES: LiteralString = """
    CREATE TABLE aged_messages AS
    SELECT *, row_number() OVER (ORDER BY id) - 1 AS number FROM deliveries
    WHERE issue_id = %(issue)s AND state = 'accepted'
"""
_OPINIONS: LiteralString = """
    INSERT INTO opinions (subscriber_id, paper_id, said, at)
    SELECT DISTINCT ON (id, paper) id, paper, (ARRAY['more', 'more', 'less'])[1 + nth %% 3],
        now() - nth * interval '1 day'
    FROM aged_subscribers, generate_series(1, %(count)s) nth,
        LATERAL (SELECT CASE WHEN nth <= %(in_pool)s THEN '2603.' || lpad(((id * 7 + nth * 53) %% 200)::text, 5, '0')
                        ELSE '2602.' || lpad(((id * 7 + nth * 53) %% 600)::text, 5, '0') END AS paper) named
    WHERE id %% %(one_in)s = 0
    ORDER BY id, paper
"""

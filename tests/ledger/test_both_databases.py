"""The same history on SQLite and PostgreSQL leaves the same rows after each step."""

import os
from contextlib import ExitStack
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from digest.database.engine import connect
from digest.database.tables import deliveries, issue_totals, issues, messages, subscribers, suppressions
from tests.ledger.test_totals import FINISHING, STEPS, History
from tests.support.scenario import add_papers, add_subscriber, cut

TABLES = (deliveries, issues, messages, subscribers, suppressions)
CLOCK = {"lease_until"}
SUMMED = (issue_totals.c.issue_id, issue_totals.c.state, issue_totals.c.reason)


@pytest.fixture(scope="module")
def both(sqlite_template, postgres, tmp_path_factory):
    """An engine on each, with the same issue for four subscribers; changes of a test are rolled back."""
    path = tmp_path_factory.mktemp("both") / "test.sqlite"
    path.write_bytes(sqlite_template.read_bytes())
    with postgres.database("test_both") as url:
        engines = [connect(f"sqlite:///{path}"), connect(url)]
        for engine in engines:
            add_papers(engine, range(3))
            for name, hour in (("ada", 7), ("ben", 7), ("eve", 14), ("joe", 20)):
                add_subscriber(engine, f"{name}@example.com", hour=hour)
        yield engines, {cut(engine).issue_id for engine in engines}
        for engine in engines:
            engine.dispose()


def shown(column, value):
    """Of a lease only its presence is compared: it comes from each database's own clock."""
    return value is not None if column.name in CLOCK and isinstance(value, datetime | None) else value


def rows_of(connection):
    """Every row, and the totals, which PostgreSQL keeps in a part for each session."""
    found = {
        table.name: [
            {column.name: shown(column, value) for column, value in zip(table.c, row, strict=True)}
            for row in connection.execute(select(table).order_by(*table.primary_key.columns))
        ]
        for table in TABLES
    }
    sums = {}
    for *key, number in connection.execute(select(*SUMMED, issue_totals.c.deliveries)):
        sums[tuple(key)] = sums.get(tuple(key), 0) + number
    return found | {"totals": {key: number for key, number in sums.items() if number}}


def number_from(engine, number):
    """PostgreSQL does not take back the numbers of rows that were rolled back."""
    with engine.begin() as connection:
        connection.execute(select(func.setval(func.pg_get_serial_sequence("deliveries", "id"), number)))


@settings(max_examples=int(os.environ.get("TRACES", "20")))
@given(before=st.lists(STEPS, max_size=8), after=st.lists(STEPS, max_size=12))
def test_after_each_step_of_any_history_every_row_is_the_same(both, before, after):
    engines, (issue_id,) = both
    with ExitStack() as stack:
        number_from(engines[1], 4)
        connections = [stack.enter_context(engine.connect()) for engine in engines]
        changes = [connection.begin() for connection in connections]
        histories = [History(connection, issue_id) for connection in connections]
        for step in (*before, *FINISHING, *after):
            for history in histories:
                history.act(*step)
            on_sqlite, on_postgresql = map(rows_of, connections)
            assert on_sqlite == on_postgresql, step
        for change in changes:
            change.rollback()

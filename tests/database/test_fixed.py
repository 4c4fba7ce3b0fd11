"""Queries of pages give the same rows as SQLAlchemy does, and fail in the same way."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine, Integer, bindparam, func, insert, select
from sqlalchemy.exc import OperationalError, ProgrammingError

from digest.database.engine import connect, read_only, read_singly, transaction
from digest.database.fixed import rows_of
from digest.database.tables import issue_papers, issues
from digest.ledger.kinds import IssueStatus
from tests.support.pooler import pooled

CUT_AT = datetime(2026, 11, 23, 8, 0, 0, 123456, UTC)
ISSUE = {
    "kind": "daily", "date": date(2026, 11, 23), "cut_at": CUT_AT, "status": "running", "formula": "it's 100%",
    "weights": {"age": 0.25}, "settings": {"title": "Käse"}, "candidates": 3, "note": "",
}  # fmt: skip
WITH = (
    select(issues, func.aggregate_strings(issues.c.note, ":").over().label("notes"))
    .where(issues.c.status == IssueStatus.RUNNING, issues.c.formula == "it's 100%", issues.c.date == bindparam("day"))
    .where(issues.c.formula == bindparam("formula"), issues.c.cut_at >= bindparam("since"))
    .limit(bindparam("most", type_=Integer))
)
VALUES = {"day": ISSUE["date"], "formula": ISSUE["formula"], "since": CUT_AT, "most": 5}


@pytest.fixture
def filled(engine: Engine) -> Engine:
    with transaction(engine) as connection:
        connection.execute(insert(issues).values(ISSUE))
    return engine


def test_rows_are_those_of_sqlalchemy(filled: Engine) -> None:
    with read_singly(filled) as connection:
        for _ in range(2):
            (row,) = rows_of(connection, WITH, VALUES)
            assert row._asdict() == connection.execute(WITH, VALUES).one()._asdict()
        assert (row.cut_at, row.weights, row.withdrawn_at) == (CUT_AT, {"age": 0.25}, None)
        assert rows_of(connection, WITH, VALUES | {"formula": "' OR 1=1 --"}) == []


def test_in_a_transaction_rows_are_those_of_the_transaction(filled: Engine) -> None:
    with transaction(filled) as connection:
        connection.execute(issues.delete())
        assert rows_of(connection, WITH, VALUES) == []


def test_a_query_that_the_database_refuses_raises_what_sqlalchemy_would(filled: Engine) -> None:
    with transaction(filled) as connection:
        issue_papers.drop(connection)
    with read_singly(filled) as connection:
        with pytest.raises((ProgrammingError, OperationalError), match="issue_papers"):
            rows_of(connection, select(issue_papers), {})
        assert len(rows_of(connection, WITH, VALUES)) == 1


def test_a_lost_connection_is_an_outage_and_the_next_reader_gets_another(postgresql_url: str) -> None:
    engine = connect(postgresql_url)
    with read_singly(engine) as connection:
        lost = connection.connection.driver_connection
        with read_only(engine) as other:
            other.execute(select(func.pg_terminate_backend(lost.info.backend_pid)))
        with pytest.raises(OperationalError):
            rows_of(connection, WITH, VALUES)
        assert connection.invalidated
    with read_singly(engine) as connection:
        assert rows_of(connection, WITH, VALUES) == []
    engine.dispose()


def test_behind_a_pooler_a_query_is_limited_as_its_transaction_is(postgresql_url: str) -> None:
    with pooled(postgresql_url) as url:
        engine = connect(url, patience=0.2)
        limit = select(func.current_setting("lock_timeout").label("limit"))
        with read_singly(engine) as connection:
            assert rows_of(connection, limit, {})[0].limit == "200ms"
        engine.dispose()

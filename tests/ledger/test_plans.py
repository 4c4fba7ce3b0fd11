"""PostgreSQL's plans for the ledger's statements."""

from datetime import timedelta

from sqlalchemy import event

from digest.database.engine import connect, transaction
from digest.database.tables import deliveries as table
from digest.ledger import deliveries as ledger
from digest.ledger import sending, transitions
from tests.support.scenario import MORNING, add_papers, add_subscriber, cut


def test_a_claim_sorts_nothing_even_where_the_database_knows_nothing_of_its_rows_yet(postgresql_url):
    """A fan-out ends up to a minute before PostgreSQL counts its rows; each claim then read and sorted all of them."""
    engine = connect(postgresql_url)
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    cut(engine)
    others = [one.name for one in table.columns if one.name not in ("id", "recipient")]
    copies = f"SELECT md5(n::text), {', '.join(others)} FROM deliveries, generate_series(1, 20000) n"
    said = []
    event.listen(engine, "before_cursor_execute", lambda *about: said.append(about[2:4]))
    with transaction(engine) as connection:
        connection.exec_driver_sql(f"INSERT INTO deliveries (recipient, {', '.join(others)}) {copies}")
        assert len(sending.claim(connection, "one", 100, MORNING + timedelta(hours=2))) == 100
        (claim, values) = next(one for one in reversed(said) if "UPDATE deliveries" in one[0])
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {claim}", values).scalars())
    engine.dispose()
    assert "ix_deliveries_due" in plan
    assert "Sort" not in plan


def test_no_statement_of_an_idle_worker_or_sweep_reads_all_deliveries_on_sqlite(sqlite_url):
    """SQLite uses no partial index for conditions with parameters; a year of deliveries was read every few seconds."""
    engine = connect(sqlite_url)
    statements = []
    event.listen(engine, "before_cursor_execute", lambda *about: statements.append(about[2:4]))
    with transaction(engine) as connection:
        sending.claim(connection, "one", 100, MORNING)
        transitions.requeue_held_by(connection, "one", MORNING)
        transitions.recover_by_lease(connection, False, MORNING)
        transitions.expire(connection, MORNING, timedelta(hours=20), 20)
        transitions.skip_cancelled(connection, MORNING)
        ledger.holders(connection)
        ledger.held_by(connection, "one")
        ledger.due_count(connection, MORNING, 10)
    with engine.connect() as connection:
        plans = {
            statement: [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]
            for statement, values in list(statements)
            if "deliveries" in statement
        }
    engine.dispose()
    assert len(plans) > 10
    assert [statement for statement, plan in plans.items() if "SCAN deliveries" in plan] == []

"""The migrations make the tables that the code expects, and can be undone."""

import pytest
from sqlalchemy import String, func, inspect, select

from alembic import command
from digest.database.engine import connect, read_only, transaction
from digest.database.migrate import NewerDatabase, configuration, migrate, why_not_current
from digest.database.tables import metadata, votes
from digest.ledger import events
from digest.ledger.kinds import Status
from digest.papers.search import INDEX
from digest.subscribers import store
from digest.subscribers.subscriber import event_subject
from tests.support.scenario import MORNING, add_papers, add_subscriber

BEFORE_CONSENTS = "0011"
BEFORE_SUBMITTERS = "0005"  # going back to it, SQLite copies the papers


@pytest.fixture
def empty_url(database_url):
    command.downgrade(configuration(database_url), "base")
    return database_url


def tables(url):
    engine = connect(url)
    names = set(inspect(engine).get_table_names())
    engine.dispose()
    return {name for name in names if name != "alembic_version" and not name.startswith(INDEX)}


def test_the_tables_of_the_migrations_are_those_of_the_code(database_url):
    command.check(configuration(database_url))  # raises when they differ
    assert tables(database_url) == set(metadata.tables)


def test_codes_are_compared_by_their_bytes_on_postgresql(postgresql_url):
    engine = connect(postgresql_url)
    stored = {
        (name, column["name"]): column["type"].collation
        for name in metadata.tables
        for column in inspect(engine).get_columns(name)
        if isinstance(column["type"], String)
    }
    engine.dispose()
    every = [column for table in metadata.tables.values() for column in table.columns]
    codes = {(column.table.name, column.name) for column in every if type(column.type) is String}
    assert {code for code, collation in stored.items() if collation == "C"} == codes


def test_up_down_and_up_again(empty_url):
    assert tables(empty_url) == set()
    migrate(empty_url)
    assert tables(empty_url) == set(metadata.tables)


def test_a_table_that_a_migration_copies_keeps_what_refers_to_it(database_url):
    engine = connect(database_url)
    add_papers(engine, range(3))
    command.downgrade(configuration(database_url), BEFORE_SUBMITTERS)
    migrate(database_url)
    with read_only(engine) as connection:
        assert connection.scalar(select(func.count()).select_from(votes)) == 3
    engine.dispose()


def test_a_database_of_a_later_version_is_named_as_such(database_url):
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        assert "A later version of Digest" in why_not_current(connection)
    engine.dispose()
    with pytest.raises(NewerDatabase, match="install that version again"):
        migrate(database_url)


def test_a_database_without_tables_is_not_current(empty_url):
    engine = connect(empty_url)
    with read_only(engine) as connection:
        assert why_not_current(connection) == "Run: digest migrate"
    migrate(empty_url)
    with read_only(engine) as connection:
        assert why_not_current(connection) == ""
    engine.dispose()


def test_two_releases_at_once_wait_for_each_other(empty_url, start_digest):
    both = [start_digest("migrate", DIGEST_DATABASE_URL=empty_url) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert tables(empty_url) == set(metadata.tables)


def test_who_had_confirmed_and_was_made_pending_by_a_request_is_put_right(database_url):
    engine = connect(database_url)
    ada, eve = (add_subscriber(engine, f"{name}@example.com", None) for name in ("ada", "eve"))
    with transaction(engine) as connection:
        events.record(connection, MORNING, event_subject(ada.key), "confirmed", {})
    command.downgrade(configuration(database_url), BEFORE_CONSENTS)
    migrate(database_url)
    with read_only(engine) as connection:
        after = {person.email: store.by_id(connection, person.id) for person in (ada, eve)}
        assert store.open_request(connection, ada.id) == ada.consent
    assert after[eve.email] == eve
    assert (after[ada.email].status, after[ada.email].consent.confirmed_at) == (Status.UNSUBSCRIBED, MORNING)
    engine.dispose()

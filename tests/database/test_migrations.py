"""The migrations make the tables that the code expects, and can be undone."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import String, delete, func, inspect, select, update

from alembic import command
from digest.database.engine import connect, read_only, transaction
from digest.database.migrate import NewerDatabase, configuration, migrate, steps_from_nothing, why_not_current
from digest.database.tables import deliveries, issue_totals, issues, metadata, subscribers, validators, votes
from digest.issues.selection import Pick, Selection, packed_selection
from digest.issues.selection.history import papers_by_rank
from digest.issues.store import settings_of
from digest.ledger import events
from digest.ledger.kinds import Kind, SkipReason, State, Status, SuppressionReason
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.ledger.totals import store_totals
from digest.papers.collecting.store import keep_validators
from digest.papers.search import INDEX
from digest.papers.sources.source import Validator
from digest.subscribers import erasing, store
from digest.subscribers.subscriber import event_subject
from digest.subscribers.suppressions import all_suppressions, suppress
from tests.support.scenario import DAY, MORNING, PLAN, add_papers, add_subscriber, cut

BEFORE_CONSENTS = "0011"
BEFORE_PICKS = "0038"
BEFORE_LINKS = "0015"
BEFORE_NOTICES = "0030"
BEFORE_REPORTS = "0029"
BEFORE_SUBMITTERS = "0005"  # going back to it, SQLite copies the papers


@pytest.fixture
def command_line(request):
    """The fixture `command`, whose name is that of alembic's module here."""
    return request.getfixturevalue("command")


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


def test_the_steps_are_those_that_an_upgrade_goes_through(empty_url):
    done = []
    migrate(empty_url, on_step=done.append)
    assert done == steps_from_nothing()


def test_a_database_without_tables_is_not_current(empty_url):
    engine = connect(empty_url)
    with read_only(engine) as connection:
        assert why_not_current(connection) == "Run: digest migrate"
    migrate(empty_url)
    with read_only(engine) as connection:
        assert why_not_current(connection) == ""
    engine.dispose()


@pytest.mark.processes
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


def test_an_earlier_version_still_knows_which_papers_were_sent(database_url):
    engine = connect(database_url)
    add_papers(engine, range(6))
    ada, issue_id = add_subscriber(engine, "ada@example.com"), cut(engine, plan=replace(PLAN, papers=3)).issue_id
    mine, stored = deliveries.c.recipient == ada.key, select(deliveries.c.selection).where(deliveries.c.id > 0)
    with transaction(engine) as connection:
        papers = papers_by_rank(connection, issue_id)
        ranks = {paper_id: rank for rank, paper_id in papers.items()}
        chosen = Selection(tuple(Pick(paper_id, "you follow Ada L") for paper_id in papers.values()), language="de")
        connection.execute(update(deliveries).where(mine).values(picks=packed_selection(chosen, ranks)))
    command.downgrade(configuration(database_url), BEFORE_PICKS)
    migrate(database_url)
    with read_only(engine) as connection:
        assert connection.scalar(stored) == {"picks": [[paper_id, ""] for paper_id in papers.values()], "left_out": 0}
    assert len(papers) == 6, "papers beyond the best are in it"
    engine.dispose()


def test_what_earlier_versions_kept_of_the_deleted_is_removed(database_url):
    engine = connect(database_url)
    ada, eve = (add_subscriber(engine, f"{name}@example.com") for name in ("ada", "eve"))
    selection = {"picks": [["2603.00001", "you follow Ada L", 1, "followed", 2], ["2603.00002", ""]], "left_out": 1}
    with transaction(engine) as connection:
        for person in (ada, eve):
            new = NewDelivery(Kind.DIGEST, DAY, person.key, person.id, MORNING)
            delivery = queue_delivery(connection, new, MORNING)
            kept = {"selection": selection, "reply_text": f"250 {person.email}"}
            connection.execute(update(deliveries).where(deliveries.c.id == delivery).values(kept))
            suppress(connection, person.key, SuppressionReason.REFUSED, f"550 {person.email}", MORNING)
            events.record(connection, MORNING, event_subject(person.key), "said why they left", {"words": "too many"})
        connection.execute(update(deliveries).where(deliveries.c.recipient == ada.key).values(subscriber_id=None))
        connection.execute(delete(subscribers).where(subscribers.c.id == ada.id))
        events.record(connection, MORNING, event_subject(ada.key), "erased", {})
        addresses = {f"https://{name}example.org/feed": Validator("1") for name in ("ada:hunter2@", "")}
        keep_validators(connection, addresses, MORNING)
    command.downgrade(configuration(database_url), BEFORE_LINKS)
    migrate(database_url)
    lists = select(deliveries.c.selection, deliveries.c.reply_text).order_by(deliveries.c.id)
    with read_only(engine) as connection:
        of_ada, of_eve = connection.execute(lists).all()
        assert tuple(of_ada) == ({"picks": [["2603.00001", ""], ["2603.00002", ""]], "left_out": 1}, "")
        assert tuple(of_eve) == (selection, "250 eve@example.com")
        assert {row.key: row.detail for row in all_suppressions(connection)} == {
            ada.key: "",
            eve.key: "550 eve@example.com",
        }
        first = [events.latest(connection, 9, event_subject(person.key))[-1] for person in (ada, eve)]
        assert [event.detail for event in first] == [{}, {"words": "too many"}]
        assert connection.scalars(select(validators.c.url)).all() == ["https://example.org/feed"]
        assert events.latest(connection, 1)[0].what == erasing.TRACES_LEFT
        assert store.by_id(connection, eve.id) == eve
    engine.dispose()


def test_a_pause_gets_its_new_name_in_deliveries_sums_and_what_a_cut_left_out(database_url):
    def reasons() -> tuple[object, ...]:
        with read_only(engine) as connection:
            left_out = settings_of(connection.execute(select(issues.c.settings)).scalar_one()).left_out
            skipped = connection.scalars(select(deliveries.c.reason).where(deliveries.c.state == State.SKIPPED)).all()
            return set(skipped), set(connection.scalars(select(issue_totals.c.reason))), dict(left_out)

    engine = connect(database_url)
    ada = add_subscriber(engine, "ada@example.com")
    add_subscriber(engine, "bob@example.com", paused_until=DAY + timedelta(days=9))
    add_papers(engine, range(3))
    cut(engine)
    with transaction(engine) as connection:
        paused = {"state": State.SKIPPED, "reason": SkipReason.PAUSED, "finished_at": MORNING}
        connection.execute(update(deliveries).where(deliveries.c.subscriber_id == ada.id).values(paused))
        store_totals(connection, 1)
    now = ({"paused by the subscriber"}, {"paused by the subscriber"}, {"paused by the subscriber": 1})
    assert reasons() == now
    command.downgrade(configuration(database_url), BEFORE_REPORTS)
    assert reasons() == ({"paused by the reader"}, {"paused by the reader"}, {"paused by the reader": 1})
    migrate(database_url)
    assert reasons() == now
    engine.dispose()


def test_a_failed_upgrade_leaves_the_database_unchanged_and_explains_what_to_do(database_url, command_line):
    command.downgrade(configuration(database_url), BEFORE_NOTICES)
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE backups (id INTEGER)")  # in the way of a later step
    before = tables(database_url)
    result = command_line("migrate", DIGEST_DATABASE_URL=database_url)
    assert (result.returncode, tables(database_url)) == (3, before)
    assert "The upgrade failed at 0035 backups, and the database is as it was before: " in result.stderr
    with read_only(engine) as connection:
        assert why_not_current(connection) == "Run: digest migrate"
    engine.dispose()


def test_an_upgrade_that_did_not_finish_is_named_as_such(database_url, command_line):
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
    engine.dispose()
    for arguments in (["migrate"], ["subscribers", "list"]):
        result = command_line(*arguments, DIGEST_DATABASE_URL=database_url)
        assert result.returncode == 3
        assert "An upgrade or a restore of it did not finish. Run: digest restore FILE --force" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_a_database_of_the_previous_version_explains_how_to_upgrade(database_url, command_line):
    command.downgrade(configuration(database_url), BEFORE_NOTICES)
    result = command_line("subscribers", "list", DIGEST_DATABASE_URL=database_url)
    assert result.stderr == "digest: The database is not ready. Run: digest migrate\n"

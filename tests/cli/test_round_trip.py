"""Exports imported elsewhere, interrupted imports, and lists that are rejected as a whole."""

import csv
import io
import json
import threading
from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import pytest
from sqlalchemy import delete, func, select, text
from typer.testing import CliRunner

from digest.cli.main import app
from digest.database.engine import read_only, transaction
from digest.database.tables import consents, deliveries, events, imports, subscribers, suppressions, webhook_events
from digest.ledger.kinds import Status
from digest.settings import settings
from digest.subscribers import store, subscriptions
from digest.subscribers.imports import Import, ListFile, RowOutcome, import_list
from digest.subscribers.imports.importing import BATCH
from digest.subscribers.subscriber import Consent, Preferences, recipient_key
from digest.subscribers.tokens import Purpose, sign, verify
from tests.cli.test_imports import CONSENT, statuses
from tests.monitoring.webhooks.conftest import add_endpoint
from tests.support.scenario import MORNING, ON_SQLITE, SECRET, add_subscriber

pytestmark = pytest.mark.both_databases

OTHER_KEY = "another-secret-of-thirty-two-characters"
HOW = Import("old list", MORNING, SECRET)


def empty(engine):
    with transaction(engine) as connection:
        for table in (consents, deliveries, events, suppressions, subscribers):
            connection.execute(delete(table))
        if connection.dialect.name == "postgresql":  # as in a new installation
            connection.execute(text("ALTER SEQUENCE subscribers_id_seq RESTART"))


def key_of(address):
    return recipient_key(address, SECRET)


@pytest.fixture
def lived_in(engine, run):
    """Create subscribers of every kind through the product, and return them by address."""
    ada = add_subscriber(
        engine, "+ada@example.com", topics=("vision",), keywords=("=x", "RAG"), papers=5, hour=18, zone="Asia/Tokyo"
    )
    add_subscriber(engine, "pending@example.com", confirmed_at=None)
    left = add_subscriber(engine, "left@example.com")
    subscriptions.unsubscribe(engine, left.id, MORNING, "page")
    gone = [add_subscriber(engine, f"gone{number}@example.com") for number in range(3)]
    again = add_subscriber(engine, "again@example.com")
    subscriptions.unsubscribe(engine, again.id, MORNING, "page")
    subscriptions.subscribe(engine, again.email, Consent(MORNING, "a1b2", "page 2"), SECRET)
    with transaction(engine) as connection:
        store.set_confirmed(connection, again.id, "c3d4", MORNING + timedelta(hours=1))
    asks = add_subscriber(engine, "asks@example.com")
    subscriptions.unsubscribe(engine, asks.id, MORNING, "page")
    subscriptions.subscribe(engine, asks.email, Consent(MORNING, "a1b2", "=form"), SECRET)
    add_subscriber(engine, "paused@example.com", paused_until=MORNING.date() + timedelta(days=9))
    run("suppressions", "add", "+ada@example.com", "--reason", "=cmd|' /C calc'!A0\nshe asked ")
    run("suppressions", "add", "gone1@example.com", "--reason", "-1")
    for each in gone:
        subscriptions.erase(engine, each.id, MORNING)
    return {each.email: each for each in (ada, left, again, asks)}


def test_an_export_imported_into_an_empty_installation_is_exported_as_the_same_bytes(lived_in, run, engine, tmp_path):
    before = run("subscribers", "export").stdout_bytes
    (tmp_path / "export.csv").write_bytes(before)
    empty(engine)
    done = run("subscribers", "import", tmp_path / "export.csv")
    assert done.exit_code == 0, done.output
    assert run("subscribers", "export").stdout_bytes == before
    rows = list(csv.DictReader(io.StringIO(before.decode(), newline="")))
    assert {row["status"] for row in rows} == {"confirmed", "pending", "unsubscribed", ""}
    assert [row["suppressed_because"] for row in rows if row["key_id"]] == [""], "deleted people have no details"
    assert sum(len(json.loads(row["other_consents"] or "[]")) for row in rows) == 2
    with read_only(engine) as connection:
        assert connection.execute(select(func.count()).select_from(deliveries)).scalar() == 0, "all have their link"


def test_links_in_sent_messages_lead_to_the_same_person_after_a_move(lived_in, run, engine, tmp_path):
    left = lived_in["left@example.com"]
    link = sign(Purpose.UNSUBSCRIBE, left.id, MORNING, [SECRET])
    (tmp_path / "export.csv").write_bytes(run("subscribers", "export").stdout_bytes)
    empty(engine)
    run("subscribers", "import", tmp_path / "export.csv")
    with read_only(engine) as connection:
        found = store.by_id(connection, verify(Purpose.UNSUBSCRIBE, link, [SECRET]).subscriber_id)
        largest = connection.execute(select(func.max(subscribers.c.id))).scalar()
    assert found.email == "left@example.com"
    assert add_subscriber(engine, "new@example.com").id > largest, "and later people get other numbers"


def test_a_number_that_is_taken_is_not_assigned_again(lived_in, run, engine, tmp_path):
    (tmp_path / "export.csv").write_bytes(run("subscribers", "export").stdout_bytes)
    empty(engine)
    ada = lived_in["+ada@example.com"]
    with transaction(engine) as connection:
        zoe = add_zoe(connection)
        connection.execute(subscribers.update().where(subscribers.c.id == zoe).values(id=ada.id))
    done = run("subscribers", "import", tmp_path / "export.csv")
    assert done.exit_code == 0, done.output
    with read_only(engine) as connection:
        assert store.by_id(connection, ada.id).email == "zoe@example.com"
        assert store.by_key(connection, ada.key).id != ada.id


def add_zoe(connection):
    return store.add_pending(
        connection, "zoe@example.com", key_of("zoe@example.com"), Preferences(), Consent(MORNING, "", "t")
    )


def test_deleted_people_under_another_key_stop_the_import_until_the_operator_decides(
    lived_in, run, engine, tmp_path, monkeypatch
):
    (tmp_path / "export.csv").write_bytes(run("subscribers", "export").stdout_bytes)
    empty(engine)
    monkeypatch.setenv("DIGEST_SECRET_KEY", OTHER_KEY)
    settings.cache_clear()
    for options in ((), ("--dry-run",)):
        done = run("subscribers", "import", tmp_path / "export.csv", *options)
        assert done.exit_code != 0
        words = " ".join(str(done.exception or done.output).split())
        assert "1 suppressions of deleted people were made under another secret key" in words
        assert "--leave-out-deleted" in words
        assert statuses(run) == {}
    done = run("subscribers", "import", tmp_path / "export.csv", "--leave-out-deleted")
    assert "Left out 1 suppressions" in done.stderr
    assert statuses(run)["left@example.com"] == "unsubscribed"
    assert len(json.loads(run("suppressions", "list", "--json").stdout)) == 1, "that of a person with an address"


def test_a_deleted_and_suppressed_person_is_not_signed_up_after_a_move(lived_in, run, engine, tmp_path):
    (tmp_path / "export.csv").write_bytes(run("subscribers", "export").stdout_bytes)
    empty(engine)
    done = run("subscribers", "import", tmp_path / "export.csv")
    assert "1 deleted and suppressed" in done.stderr
    assert (
        "0 signed up, 0 already there, 1 suppressed" in run("subscribers", "add", "gone1@example.com", *CONSENT).stderr
    )


# --- long lists ---


class Interrupted(Exception):
    pass


def long_list(rows, extra=()):
    lines = ["email,status", *(f"s{number}@example.com," for number in range(rows)), *extra]
    return ListFile(BytesIO("\n".join(lines).encode()))


def test_an_interrupted_import_continues_where_it_stopped_and_does_nothing_twice(engine):
    listed, how = long_list(2 * BATCH + 500), replace(HOW, consented="")
    done = []

    def stop(rows):
        done.append(rows)
        if len(done) == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        import_list(engine, listed, replace(how, on_each=stop))
    report = import_list(engine, long_list(2 * BATCH + 500), how)
    assert report.skipped == BATCH
    assert report.counts[RowOutcome.NEW] == 2 * BATCH + 500
    with read_only(engine) as connection:
        stored = connection.execute(select(func.count(), func.count(deliveries.c.recipient.distinct()))).one()
        assert stored == (2 * BATCH + 500, 2 * BATCH + 500)
        assert connection.execute(select(func.count()).select_from(imports)).scalar() == 0
    again = import_list(engine, long_list(2 * BATCH + 500), how)
    assert (again.skipped, again.counts[RowOutcome.STORED]) == (0, 2 * BATCH + 500)


def test_a_dry_run_of_a_long_list_has_the_same_counts_as_the_import(engine):
    """Even if the same address, or another spelling of its mailbox, is in different transactions."""
    extra = ["s1@EXAMPLE.com,unsubscribed", "ada@gmail.com,", *[f"t{n}@example.com," for n in range(BATCH)]]
    extra += ["a.d.a@gmail.com,", "not an address,", "s3@example.com,gone fishing", "s2@example.com,"]
    how = replace(HOW, consented="")
    listed = long_list(10, extra)
    dry = import_list(engine, listed, replace(how, dry_run=True))
    with read_only(engine) as connection:
        assert connection.execute(select(func.count()).select_from(subscribers)).scalar() == 0
    problems = []
    real = import_list(engine, listed, replace(how, on_error=lambda *problem: problems.append(problem)))
    assert (dry.counts, dry.invalid) == (real.counts, real.invalid)
    assert {str(what): count for what, count in real.counts.items()} == {
        "signed up": BATCH + 10, "duplicate": 2, "left": 1, "asked too recently": 1
    }  # fmt: skip
    lines = 1 + 10 + len(extra)
    assert [(line, text) for line, text, _ in problems] == [
        (lines - 2, "not an address"),
        (lines - 1, "s3@example.com"),
    ]


@ON_SQLITE
def test_a_line_is_counted_as_an_editor_counts_it(run, tmp_path):
    file = tmp_path / "list.csv"
    file.write_bytes(b'sep=,\nemail,note\r\nada@example.com,"two\nlines"\n\nx y,\nben@example.com,\n')
    done = run("subscribers", "import", file, *CONSENT)
    assert "line 6: 'x y': " in done.stderr
    document = json.loads(run("subscribers", "import", file, *CONSENT, "--json").stdout)
    assert [(row["line"], row["text"]) for row in document["invalid"]] == [(6, "x y")]


@ON_SQLITE
def test_a_list_may_come_from_stdin(run):
    done = CliRunner().invoke(app, ["subscribers", "import", "-", *CONSENT], input=b"email\nada@example.com\n")
    assert "1 signed up" in done.stderr
    assert statuses(run) == {"ada@example.com": "confirmed"}


@ON_SQLITE
def test_a_list_that_breaks_off_far_down_imports_nobody(engine, run, tmp_path):
    file = tmp_path / "list.csv"
    file.write_text("email,note\n" + "".join(f"s{n}@example.com,\n" for n in range(9000)) + 'ada@example.com,"x\n')
    done = run("subscribers", "import", file, *CONSENT)
    assert done.exit_code == 2
    assert "a quotation mark is never closed" in " ".join(done.output.replace("│", " ").split())
    assert statuses(run) == {}


def test_an_import_is_one_event_for_operators_and_none_for_endpoints(engine):
    add_endpoint(engine, "https://example.org/")
    import_list(engine, long_list(3, ["x@example.com,unsubscribed"]), HOW)
    with read_only(engine) as connection:
        assert connection.execute(select(func.count()).select_from(webhook_events)).scalar() == 0
        told = connection.execute(select(events).where(events.c.subject == "subscribers")).one()
    assert told.what == "imported"
    assert told.detail == {"consented": "old list", "signed up": 3, "left": 1, "invalid": 0}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_person_who_signs_up_during_the_import_counts_as_already_there(engine):
    with transaction(engine) as connection:
        add_zoe(connection)
        reports = []
        listed = ListFile(BytesIO(b"email\nzoe@example.com\nada@example.com\n"))
        importing = threading.Thread(target=lambda: reports.append(import_list(engine, listed, HOW)))
        importing.start()
        with engine.connect() as other:
            waits = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'COPY%'")
            while not other.execute(waits).scalar():
                other.rollback()
    importing.join()
    assert reports[0].counts == {RowOutcome.NEW: 1, RowOutcome.STORED: 1}


@ON_SQLITE
def test_the_status_option_makes_nobody_a_subscriber(engine):
    import_list(engine, long_list(2), replace(HOW, status=Status.PENDING))
    with read_only(engine) as connection:
        assert store.count_by_status(connection) == {"pending": 2}

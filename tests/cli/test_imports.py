"""Lists of subscribers from other programs, and our own export, by the command line."""

import csv
import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import delete

from digest.clock import now
from digest.database.engine import read_only, transaction
from digest.database.tables import consents, deliveries, subscribers, suppressions
from digest.ledger.kinds import Kind
from digest.ledger.queueing import count_mails
from digest.settings import settings
from digest.subscribers.subscriber import Balance, recipient_key
from digest.subscribers.subscriptions import purge_pending
from tests.cli.conftest import KEY
from tests.support.scenario import MORNING, ON_SQLITE, add_subscriber

pytestmark = pytest.mark.both_databases

CONSENT = ("--consented", "old list, 2026-03")


@pytest.fixture
def imported(run, tmp_path):
    """Imports a text or bytes as a file; returns what the command said and each subscriber's status."""

    def imported(content, *options):
        file = tmp_path / "list.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        done = run("subscribers", "import", file, *options)
        return done, statuses(run)

    return imported


def statuses(run):
    return {row["email"]: row["status"] for row in json.loads(run("subscribers", "list", "--json").stdout)}


def suppressed(run):
    return [row["reason"] for row in json.loads(run("suppressions", "list", "--json").stdout)]


def confirmations(engine, address):
    key = recipient_key(address, KEY.encode())
    with read_only(engine) as connection:
        return count_mails(connection, Kind.CONFIRMATION, [key], MORNING.replace(year=2000))


ADA = {"ada@example.com": "pending"}
ADA_CONFIRMED = {"ada@example.com": "confirmed"}
BOTH = ADA | {"ben@example.com": "pending"}


@ON_SQLITE
@pytest.mark.parametrize(
    "content",
    [
        "email;name\nada@example.com;Ada\nben@example.com;Ben, B\n",
        "sep=;\nname;Email Address\nAda;ada@example.com\nBen, B;ben@example.com\n",
        "Name\tE-Mail\nAda\tada@example.com\nBen\tben@example.com\n",
        "姓名，邮箱\nAda，ada@example.com\nBen，ben＠example.com\n",
        "Kontakt\nada@example.com\nben@example.com\n",
        "id,kontakt\n1,ada@example.com\n2,ben@example.com\n",
        "Members of the list\n\nexported on,2026-11-28\nemail,status\nada@example.com,\nben@example.com,active\n",
        "Mail\r\nada@example.com\r\n\r\n ben@example.com \r\n",
        "ada@example.com\nben@example.com",
        "ada@example.com;x\nben@example.com;y",
        "referrer,email\nzoe@example.com,ada@example.com\nzoe@example.com,ben@example.com\n",
        'Ada <ada@example.com>\n"Ben, B" <ben@example.com>\n',
        "ada@example.com, ben@example.com\n",
        "Lovelace, Ada <ada@example.com>\n<ben@example.com>\n",
        "Name|Contact\nAda|mailto:ada@example.com\nBen|ben@example.com\n",
        "email\rada@example.com\rben@example.com\r",
        'email,note\nada@example.com,\nben@example.com,"two\nlines\n"',
        '[{"email": "ada@example.com"}, {"email": "ben@example.com", "status": "enabled"}]',
        '{"email": "ada@example.com"}\n{"Email": "ben@example.com"}\n',
        '{"from_email": "us@example.com", "members": [{"email_address": "ada@example.com"}, "ben@example.com"]}',
        '["ada@example.com", "ben@example.com"]',
        'name,e-mail\n"Ada ""the first"", L","ada@example.com"\nBen,ben@example.com\n',
        "\ufeffemail\nada@example.com\nben@example.com\n",
        "email,name\nada@example.com,Ada\nben@example.com,Ben\n".encode("utf-16"),
        "email\tname\nada@example.com\tAda\nben@example.com\tBen\n".encode("utf-16-le"),
        "email,name\nada@example.com,Zoë\nben@example.com,Ben\n".encode("cp1252"),
        "name,email\n李明,ada@example.com\n王,ben@example.com\n".encode("gbk"),
    ],
)
def test_a_list_is_read_whatever_program_wrote_it(imported, content):
    done, stored = imported(content)
    assert stored == BOTH, done.output
    assert "2 signed up" in done.stderr


@ON_SQLITE
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"PK\x03\x04\0\0", "save it as CSV"),
        ("email\n" + '"' + "x" * 200_000, "quotation mark"),
        ('email,name\nada@example.com,"Ada\nben@example.com,Ben', "a quotation mark is never closed; check 'Ada'"),
        ('[{"email": "ada@example.com"}, {"em', "export it again, or save it as CSV"),
        ('[{"who": "ada@example.com"}]', 'without addresses; call each "email"'),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_the_remedy(imported, content, words):
    done, stored = imported(content)
    assert done.exit_code == 2
    assert words in " ".join(done.output.replace("│", " ").split())
    assert stored == {}


@pytest.mark.parametrize("dry_run", [True, False])
def test_an_address_that_is_listed_twice_counts_once(imported, dry_run):
    content = "email\nada@example.com\nada@EXAMPLE.com\n Ada@example.com\nben@example.com\n"
    done, _ = imported(content, *(["--dry-run"] if dry_run else []))
    assert ("2 would be signed up" if dry_run else "2 signed up") in done.stderr
    assert "2 duplicate" in done.stderr


def test_an_import_says_how_many_are_suppressed_or_left_and_adds_none_of_them(run, imported, engine):
    run("subscribers", "add", "left@example.com", *CONSENT)
    run("subscribers", "unsubscribe", "left@example.com")
    run("subscribers", "add", "here@example.com", *CONSENT)
    run("suppressions", "add", "never@example.com")
    listed = "email\nleft@example.com\nhere@example.com\nnever@example.com\nada@example.com\n"
    for options in (("--dry-run",), ()):
        done, stored = imported(listed, *options, *CONSENT)
        assert "1 already there, 1 suppressed, 1 left, 0 invalid" in done.stderr
        assert "digest suppressions lift" in done.stderr
    assert stored == ADA_CONFIRMED | {"left@example.com": "unsubscribed", "here@example.com": "confirmed"}
    assert "0 signed up, 0 already there, 1 suppressed" in run("subscribers", "add", "never@example.com").stderr
    assert confirmations(engine, "never@example.com") == 0


LISTMONK = "uuid,email,name,attributes,status,created_at,updated_at\n" + "".join(
    f'{n},{name}@example.com,{name},"{{""city"": ""Rome""}}",{status},2024-05-06 07:08:09+00:00,2024-05-06\n'
    for n, (name, status) in enumerate([("ada", "enabled"), ("off", "disabled"), ("block", "blocklisted")])
)


def test_who_was_disabled_or_blocked_in_listmonk_stays_out_and_unread_columns_are_named(run, imported):
    done, stored = imported(LISTMONK, *CONSENT)
    gone = {"off@example.com": "unsubscribed", "block@example.com": "unsubscribed"}
    assert stored == ADA_CONFIRMED | gone
    assert suppressed(run) == ["operator"]
    assert "Ignored columns: uuid, name, attributes, updated_at." in done.stderr
    assert "1 signed up, 0 already there, 2 left, 0 invalid." in done.stderr


@ON_SQLITE
@pytest.mark.parametrize(
    ("columns", "cells", "status"),
    [
        ("status", "Subscribed", "confirmed"),
        ("status", "", "confirmed"),
        ("status", "unconfirmed", "pending"),
        ("status", "Not subscribed", "unsubscribed"),
        ("state", "unsub", "unsubscribed"),
        ("opt-out", "true", "unsubscribed"),
        ("optout_date", "2024-01-02", "unsubscribed"),
        ("OPTOUT", "", "confirmed"),
        ("LEAVE_TIME", "2024-01-01 00:00:00", "unsubscribed"),
        ("Receive emails", "no", "unsubscribed"),
        ("gdpr_consent", "0", "unsubscribed"),
        ("consent", "yes", "confirmed"),
        ("subscription_status", "UNSUBSCRIBED", "unsubscribed"),
        ("Status", "opted-out", "unsubscribed"),
        ("status", "bounced", "unsubscribed refused"),
        ("status", "hard bounced", "unsubscribed refused"),
        ("status", "cleaned", "unsubscribed refused"),
        ("status", "complained", "unsubscribed operator"),
        ("status,subscription_status", "enabled,unconfirmed", "pending"),
        ("status,lists", '"enabled","[{""id"": 1, ""subscription_status"": ""unsubscribed""}]"', "unsubscribed"),
        ("email_disabled", "true", "unsubscribed"),
        ("Accepts Email Marketing", "no", "unsubscribed"),
        ("Email Marketing Consent", "NEVER_SUBSCRIBED", "unsubscribed"),
        ("Email Suppressions", '"[""UNSUBSCRIBED""]"', "unsubscribed"),
        ("deleted_at", "0000-00-00 00:00:00", "confirmed"),
        ("状态", "已退订", "unsubscribed"),
        ("type", "unsubscribed", "unsubscribed"),
        ("UNSUB_TIME", "2026-03-04 05:06:07", "unsubscribed"),
        ("unsubscribed_at", "", "confirmed"),
        ("bounce count", "0", "confirmed"),
        ("bounce count", "3", "unsubscribed"),
        ("blacklisted", "1", "unsubscribed"),
        ("subscribed", "false", "unsubscribed"),
        ("confirmed", "0", "pending"),
        ("confirmed", "not yet", "pending"),
        ("subscribed", "pending", "pending"),
        ("subscribed", "x", "confirmed"),
        ("Confirmation date", "", "pending"),
        ("Confirmation date", "never", "pending"),
        ("confirmed_at", "", "pending"),
        ("Cancel date", "2025-05-01", "unsubscribed"),
        ("subscriber_type", "spammy", "unsubscribed operator"),
        ("metadata,type", "{},undeliverable", "unsubscribed refused"),
        ("type", "unactivated", "pending"),
        ("Member type", "student", "confirmed"),
        ("status,unsubscribed", "active,yes", "unsubscribed"),
    ],
)
def test_nobody_who_left_elsewhere_becomes_a_subscriber(run, imported, columns, cells, status):
    done, stored = imported(f"email,{columns}\nada@example.com,{cells}\n", *CONSENT)
    assert [*stored.values(), *suppressed(run)] == status.split()
    assert ("1 left" in done.stderr) == status.startswith("unsubscribed")


def test_who_is_listed_twice_and_left_once_has_left(imported):
    done, stored = imported("email,status\nada@example.com,active\nada@example.com,unsubscribed\n", *CONSENT)
    assert stored == {"ada@example.com": "unsubscribed"}
    assert "0 signed up, 0 already there, 1 duplicate, 1 left, 0 invalid." in done.stderr


def test_a_link_to_unsubscribe_keeps_nobody_out(imported):
    _, stored = imported("email,unsubscribe_url\nada@example.com,https://example.org/u/1\n", *CONSENT)
    assert stored == ADA_CONFIRMED


@ON_SQLITE
def test_a_value_that_is_neither_yes_nor_no_is_rejected(imported):
    done, stored = imported("email,subscribed\nada@example.com,perhaps\n", *CONSENT)
    assert "line 2: 'ada@example.com': unknown status 'perhaps'" in done.stderr
    assert stored == {}


def test_a_status_that_nobody_knows_is_named_and_signs_up_nobody(imported):
    done, stored = imported("email,status\nada@example.com,gone fishing\nben@example.com,active\n", *CONSENT)
    assert "'ada@example.com': unknown status 'gone fishing'; write confirmed, pending or unsubscribed" in done.stderr
    assert stored == {"ben@example.com": "confirmed"}
    assert done.exit_code == 1


PEOPLE = (
    "email,status,topics,keywords,muted_words,surprise,papers,frequency,weekdays,zone,hour,paused_until,balance,"
    "full_lists,created_at,confirmed_at,suppressed\n"
    '+ada@example.com,confirmed,"language-models, vision","-x y、RAG",survey,no,5,weekly,2,Europe/Berlin,18,'
    "2030-01-02,mine,yes,2026-01-02T03:04:05+00:00,2026-01-02T04:05:06+00:00,\n"
    '=ben@example.com,unsubscribed,,,,yes,10,daily,"0, 1, 2, 3, 4",UTC,7,,,,2026-01-02T03:04:05+00:00,'
    "2026-01-02T04:05:06+00:00,\n"
    "''+zoe@example.com,confirmed,,,,,,,,,,,,,2026-01-03T03:04:05+00:00,2026-01-03T04:05:06+00:00,\n"
    "gone@example.com,confirmed,,,,,,,,,,,,,2026-01-03T03:04:05+00:00,2026-01-03T04:05:06+00:00,refused\n"
    "new@example.com,pending,,RAG,,,,,,,,,,,2026-03-03T03:04:05+00:00,,\n"
)


def by_address(written):
    return {row["email"]: row for row in csv.DictReader(io.StringIO(written))}


def empty(engine):
    with transaction(engine) as connection:
        for table in (consents, deliveries, suppressions, subscribers):
            connection.execute(delete(table))


@ON_SQLITE
def test_an_export_of_who_wants_only_what_is_like_their_papers_comes_back(run, imported, engine):
    add_subscriber(engine, "ada@example.com", balance=Balance.ONLY)
    before = run("subscribers", "export").stdout
    empty(engine)
    imported(before)
    assert by_address(run("subscribers", "export").stdout)["ada@example.com"]["balance"] == "only"
    done, _stored = imported("email,balance\nben@example.com,only\n", *CONSENT)
    assert "balance: You don’t follow anything yet" in done.stderr


def test_our_own_export_comes_back_as_it_was_on_an_empty_database(run, imported, engine):
    imported(PEOPLE)
    before = run("subscribers", "export").stdout
    rows = by_address(before)
    assert list(rows) == [
        "'+ada@example.com", "'=ben@example.com", "''+zoe@example.com", "gone@example.com", "new@example.com",
    ]  # fmt: skip
    assert rows["'+ada@example.com"]["keywords"] == "'-x y, RAG"
    assert [(row["balance"], row["full_lists"]) for row in rows.values()] == [("mine", "yes"), *4 * [("both", "no")]]
    assert rows["gone@example.com"]["suppressed"] == "refused"
    assert rows["new@example.com"]["created_at"] == "2026-03-03T03:04:05+00:00"
    empty(engine)
    done, stored = imported(before)
    assert done.exit_code == 0, done.output
    assert stored == {
        "+ada@example.com": "confirmed", "=ben@example.com": "unsubscribed", "'+zoe@example.com": "confirmed",
        "gone@example.com": "confirmed", "new@example.com": "pending",
    }  # fmt: skip
    assert run("subscribers", "export").stdout == before
    assert suppressed(run) == ["refused"]


@pytest.mark.parametrize("command", ["show", "list"])
def test_what_we_print_as_json_comes_back_as_it_was(run, imported, engine, command):
    imported(PEOPLE)
    run("suppressions", "add", "gone@example.com")
    before = by_address(run("subscribers", "export").stdout)
    addresses = [address.removeprefix("'") for address in before]
    printed = [run("subscribers", "show", address, "--json").stdout for address in addresses]
    document = f"[{','.join(printed)}]" if command == "show" else run("subscribers", "list", "--json").stdout
    empty(engine)
    done, _ = imported(document)
    assert done.exit_code == 0, done.output
    after = by_address(run("subscribers", "export").stdout)
    if command == "list":  # says nothing about suppressions
        before["gone@example.com"] |= dict.fromkeys(("suppressed", "suppressed_at", "suppressed_because"), "")
    assert after == before


def test_who_left_elsewhere_is_remembered_for_the_next_import(run, imported, engine):
    imported("email,status,created_at\nada@example.com,unsubscribed,2024-05-06\n")
    assert purge_pending(engine, now() + timedelta(days=30)) == 0
    done, stored = imported("ada@example.com\n", *CONSENT)
    assert "0 signed up, 0 already there, 1 left" in done.stderr
    assert stored == {"ada@example.com": "unsubscribed"}


def test_an_address_that_was_asked_today_is_not_counted_as_signed_up(run, imported):
    imported("ada@example.com\n")
    run("subscribers", "erase", "ada@example.com")
    for options in (("--dry-run",), ()):
        done, stored = imported("ada@example.com\n", *options)
        assert "signed up, 0 already there, 1 asked too recently, 0 invalid." in done.stderr
        assert stored == {}


def test_a_dry_run_changes_nothing_and_says_the_numbers_of_the_run(run, imported):
    run("subscribers", "add", "here@example.com", *CONSENT)
    run("suppressions", "add", "never@example.com")
    listed = PEOPLE + "".join(f"{name}@example.com,,\n" for name in ("here", "never", "here", "x y"))
    dry, stored = imported(listed, "--dry-run")
    assert stored == {"here@example.com": "confirmed"}
    done, _ = imported(listed)
    assert dry.stderr.replace("would be ", "") == done.stderr
    assert "3 signed up, 1 already there, 1 duplicate, 2 suppressed, 1 left, 1 invalid." in done.stderr


@ON_SQLITE
@pytest.mark.parametrize(
    ("column", "cell", "words"),
    [
        ("hour", "24", "hour: Enter a number from 0 to 23"),
        ("confirmed_at", "soon", "confirmed_at 'soon': write a past instant"),
        ("confirmed_at", "2999-01-01", "write a past instant"),
        ("paused_until", "May", "paused_until 'May': write a date"),
        ("language", "xx", "language: Choose a language"),
    ],
)
def test_a_wrong_cell_is_named_and_signs_up_nobody(imported, column, cell, words):
    done, stored = imported(f"email,{column}\nada@example.com,{cell}\n")
    assert stored == {}
    assert words in done.stderr
    assert "1 invalid" in done.stderr


def test_who_never_confirmed_is_asked_even_when_the_others_gave_consent(imported, engine):
    _, stored = imported("email,status\nada@example.com,pending\nben@example.com,confirmed\n", *CONSENT)
    assert stored == ADA | {"ben@example.com": "confirmed"}
    assert confirmations(engine, "ada@example.com") == 1
    assert confirmations(engine, "ben@example.com") == 0


def test_the_operators_own_domains_can_subscribe(run, monkeypatch):
    refused = run("subscribers", "add", "ada@mail.corp.local")
    assert "DIGEST_OWN_DOMAINS" in refused.output
    assert refused.exit_code == 2
    monkeypatch.setenv("DIGEST_OWN_DOMAINS", ".corp.local； *.Home.Arpa、@mailhost")
    settings.cache_clear()
    for address in ("ada@mail.corp.local", "Ben@LAB.home.arpa", "zoe@mailhost"):
        assert "1 signed up" in run("subscribers", "add", address).stderr
    assert run("subscribers", "show", "ada@MAIL.corp.local").exit_code == 0
    assert set(statuses(run)) == {"ada@mail.corp.local", "Ben@lab.home.arpa", "zoe@mailhost"}

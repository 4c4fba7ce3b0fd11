"""The command line as an operator meets it: results, exit codes, and one line for each mistake."""

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from digest.cli.main import app, main
from digest.database.engine import read_only
from digest.ledger.kinds import Kind
from digest.ledger.queueing import count_mails
from digest.subscribers.address_change.change import ChangeOutcome, Side
from digest.subscribers.address_change.confirming import confirm_change
from digest.subscribers.address_change.store import open_change
from digest.subscribers.subscriber import recipient_key
from tests.cli.conftest import DATE, KEY
from tests.support.lists import PAPERS_A_DAY, daily_lists
from tests.support.scenario import MORNING, add_papers, add_subscriber
from tests.support.smtp_server import Step


def as_process(*arguments, **environment):
    """Runs a command as an operator does, so that main() turns errors into lines and exit codes."""
    import os

    command = [Path(sys.executable).with_name("digest"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **environment}
    )


def test_collect_stores_what_the_source_lists_and_says_so(run, monkeypatch, engine):
    monkeypatch.setenv("DIGEST_SOURCES", "huggingface")
    with daily_lists() as address:
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", address)
        done = run("collect", "--date", DATE, "--as-of", "2026-03-04T12:00:00Z", "--json")
        again = run("collect", "--date", DATE, "--as-of", "2026-03-04T12:00:00Z", "--json")
        dry = run("collect", "--date", "2026-03-05", "--dry-run", "--json")
    (found,) = json.loads(done.stdout)
    assert (done.exit_code, found["outcome"], found["new"]) == (0, "fresh", PAPERS_A_DAY)
    assert json.loads(again.stdout)[0]["new"] == PAPERS_A_DAY
    assert (dry.exit_code, json.loads(dry.stdout)[0]["papers"]) == (0, PAPERS_A_DAY)
    published = run("publish", "--date", DATE, "--as-of", "2026-03-04T12:00:00Z", "--json")
    assert json.loads(published.stdout)["papers"] == PAPERS_A_DAY


def test_when_no_source_answers_collect_fails_and_publish_freezes_nothing(run, monkeypatch):
    for name in ("HUGGINGFACE_URL", "ARXIV_URL", "ARXIV_FEED_URL", "HACKERNEWS_URL"):
        monkeypatch.setenv(f"DIGEST_{name}", "http://127.0.0.1:9")
    monkeypatch.setenv("DIGEST_SOURCE_TIMEOUT_SECONDS", "0.5")  # no time for retries
    collected = run("collect", "--date", DATE, "--json")
    assert collected.exit_code == 1
    assert {one["outcome"] for one in json.loads(collected.stdout)} == {"failing"}
    published = run("publish", "--date", DATE, "--force")
    assert published.exit_code == 1
    assert "nothing changed" in published.stderr
    assert run("audit", "--issue", DATE).exit_code != 0


def test_publish_twice_says_that_nothing_was_changed(run, engine):
    add_papers(engine, range(3))
    arguments = ("publish", "--date", DATE, "--as-of", "2026-03-04T06:00:00Z")
    assert "cut now" in run(*arguments).stdout
    assert "was cut before; nothing changed" in run(*arguments).stdout


def test_an_issue_of_another_day_is_only_cut_by_force_and_says_how_many_it_would_reach(run, engine):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    arguments = ("publish", "--date", DATE, "--as-of", "2026-03-05T06:00:00Z")
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert "would be mailed to 1 of the subscribers. To cut it all the same, add --force" in refused.stderr
    assert run("audit", "--json").stdout.strip() == "[]"
    assert "1 deliveries queued" in run(*arguments, "--force").stdout


def test_a_cancelled_issue_takes_back_what_is_unsent_and_queues_nothing_again(run, issue):
    assert "Not sent: 1; sent before: 0." in run("cancel", "--date", DATE).stderr
    assert json.loads(run("audit", "--issue", DATE, "--json").stdout)["skipped"] == {"issue cancelled": 1}
    again = run("publish", "--date", DATE)
    assert "is cancelled; nothing is queued" in again.stdout
    assert json.loads(run("publish", "--date", DATE, "--json").stdout)["candidates"] == 0


def test_a_dry_run_of_publish_shows_the_list_and_stores_nothing(run, engine):
    add_papers(engine, range(3))
    shown = run("publish", "--date", DATE, "--as-of", "2026-03-04T06:00:00Z", "--dry-run", "--json")
    assert [one["rank"] for one in json.loads(shown.stdout)] == [1, 2, 3]
    assert run("audit", "--json").stdout.strip() == "[]"


def test_explain_shows_the_terms_that_make_the_score(run, issue):
    shown = json.loads(run("explain", "--date", DATE, "--json").stdout)
    for one in shown["papers"]:
        parts = [value for name, value in one["terms"].items() if name.startswith("from_")]
        assert one["score"] == one["terms"]["score"] == pytest.approx(sum(parts))
    assert "2603.00000" in run("explain", "--date", DATE).stdout


def test_preview_shows_the_mail_in_each_form(run, issue):
    text = run("preview", "--date", DATE, "--format", "text").stdout
    html = run("preview", "--date", DATE, "--format", "html").stdout
    raw = run("preview", "--date", DATE, "--format", "raw").stdout
    assert "Paper number 0" in text
    assert html.lower().startswith("<!doctype html>")
    assert "List-Unsubscribe: <https://papers.example.org/u/" in raw
    mine = run("preview", "--date", DATE, "--subscriber", "ada@example.com", "--format", "raw").stdout
    assert "To: ada@example.com" in mine


def test_preview_shows_the_other_mails_too_and_needs_no_issue_for_them(run, engine, tmp_path):
    for kind in ("confirmation", "already", "link"):
        file = tmp_path / f"{kind}.eml"
        file.write_bytes(run("preview", "--kind", kind, "--format", "raw").stdout_bytes)
        assert re.search(rf"^Feedback-ID: [0-9-]+:{kind}:", file.read_text(), re.MULTILINE)
        judged = run("lint", file, "--json")
        assert (judged.exit_code, json.loads(judged.stdout)[0]["failed"]) == (0, [])


def test_preview_shows_every_mail_in_the_language_that_is_asked_for(run, issue, tmp_path):
    for kind in ("digest", "confirmation", "already", "link"):
        file = tmp_path / f"{kind}.eml"
        options = ("--kind", kind, "--date", DATE, "--language", "zh-cn", "--format", "raw")
        file.write_bytes(run("preview", *options).stdout_bytes)
        assert json.loads(run("lint", file, "--json").stdout)[0]["failed"] == []
    assert "日榜" in run("preview", "--date", DATE, "--language", "zh-CN").stdout
    unknown = run("preview", "--date", DATE, "--language", "tlh")
    assert (unknown.exit_code, "available: en, zh-CN" in unknown.stderr) == (2, True)
    mine = run("preview", "--date", DATE, "--language", "en", "--subscriber", "ada@example.com")
    assert mine.exit_code == 2


def test_preview_opens_a_page_with_phones_and_desktops_in_both_schemes(run, issue, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or False)
    done = run("preview", "--date", DATE, "--open")
    assert (done.exit_code, done.stdout) == (0, "")
    file = Path(opened[0].removeprefix("file://"))
    assert str(file) in done.stderr
    page = file.read_text(encoding="utf-8")
    frames = re.findall(r'<iframe title="([^"]*)"[^>]* style="width:(\d+)px', page)
    assert {(name.rpartition(", ")[2], int(width)) for name, width in frames} == {
        ("light", 320), ("light", 390), ("dark", 390), ("light", 720), ("dark", 720)
    }  # fmt: skip
    assert "prefers-color-scheme" not in page
    assert "Paper number 0" in page


def test_lint_says_what_is_wrong_and_what_to_do(run, tmp_path):
    bad = tmp_path / "bad.eml"
    bad.write_bytes(b"From: ada@example.org\r\n\r\nHello\r\n")
    said = run("lint", bad)
    assert said.exit_code == 1
    text = " ".join(said.stdout.split())
    assert f'{bad}: from: From shows a bare address: ada@example.org. Write From as "Name <address>".' in text
    (judged,) = json.loads(run("lint", bad, "--json").stdout)
    assert judged["file"] == str(bad)
    assert judged["passed"] + len(judged["failed"]) == judged["of"]
    assert f"passed {judged['passed']} of the {judged['of']} rules for a transactional mail" in text


def test_lint_says_which_file_cannot_be_read(run, tmp_path):
    done = run("lint", tmp_path / "none.eml", tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "none.eml cannot be read: No such file" in done.stderr


def test_send_test_goes_past_the_ledger_and_shows_the_servers_answer(run, issue, smtp_server, monkeypatch):
    monkeypatch.setenv("DIGEST_SMTP_URL", smtp_server.url)
    before = run("audit", "--json").stdout
    done = run("send-test", "me@example.com", "--date", DATE)
    assert (done.exit_code, done.stderr.split(":")[0]) == (0, "accepted")
    assert len(smtp_server.taken_for("me@example.com")) == 1
    assert run("send-test", "li@example.com", "--date", DATE, "--language", "zh-CN").exit_code == 0
    assert b'lang=3D"zh-CN"' in smtp_server.taken_for("li@example.com")[0].content
    smtp_server.always(Step.RCPT, "550 5.1.1 no such user")
    refused = run("send-test", "you@example.com", "--date", DATE)
    assert (refused.exit_code, "no such user" in refused.stderr) == (1, True)
    assert run("audit", "--json").stdout == before


def test_a_reader_is_added_shown_removed_and_erased(run, engine):
    assert "1 signed up" in run("subscribers", "add", "ada@example.com").stderr
    key = recipient_key("ada@example.com", KEY.encode())
    with read_only(engine) as connection:
        assert count_mails(connection, Kind.CONFIRMATION, [key], MORNING - timedelta(days=999)) == 1
    shown = run("subscribers", "show", "ada@example.com").stdout
    assert shown.startswith("ada@example.com: pending\n")
    assert "next digest: none; they have not confirmed" in shown
    assert "ada@example.com  pending  up to 10  both" in run("subscribers", "list").stdout
    assert "is unsubscribed" in run("subscribers", "unsubscribe", "ada@example.com").stderr
    assert "would be deleted" in run("subscribers", "erase", "ada@example.com", "--dry-run").stderr
    assert "is deleted" in run("subscribers", "erase", "ada@example.com").stderr
    assert json.loads(run("subscribers", "list", "--json").stdout) == []


def test_an_import_names_bad_lines_keeps_good_ones_and_asks_nobody_who_confirmed_elsewhere(run, engine, tmp_path):
    file = tmp_path / "list.csv"
    people = ("ada@example.com", "not an address", "ben@example.com", "ada@example.com")
    file.write_text("name,email\n" + "".join(f"Somebody,{address}\n" for address in people))
    done = run("subscribers", "import", file, "--consented", "old list, 2026-03")
    assert done.exit_code == 1
    assert "'not an address'" in done.stderr
    assert "2 signed up, 0 already there, 1 duplicate, 1 invalid." in done.stderr
    listed = json.loads(run("subscribers", "list", "--json").stdout)
    confirmed = {one["email"] for one in listed if one["status"] == "confirmed"}
    assert confirmed == {"ada@example.com", "ben@example.com"}
    assert run("audit", "--json").stdout.strip() == "[]"
    exported = list(csv.DictReader(io.StringIO(run("subscribers", "export").stdout)))
    assert [one["email"] for one in exported] == ["ada@example.com", "ben@example.com"]


def test_a_suppressed_address_is_listed_by_its_hash_alone_and_can_be_lifted(run):
    assert "is suppressed" in run("suppressions", "add", "ada@example.com").stderr
    listed = run("suppressions", "list", "--json").stdout
    assert [one["reason"] for one in json.loads(listed)] == ["operator"]
    assert "ada@example.com" not in listed
    assert "is lifted" in run("suppressions", "lift", "ada@example.com").stderr
    assert json.loads(run("suppressions", "list", "--json").stdout) == []


def test_init_writes_a_private_file_that_the_service_takes_and_leaves_an_old_one_alone(tmp_path):
    assert CliRunner().invoke(app, ["init"]).exit_code == 0
    written = tmp_path / ".env"
    assert written.stat().st_mode & 0o777 == 0o600
    secret = next(line for line in written.read_text().splitlines() if line.startswith("DIGEST_SECRET_KEY="))
    assert len(secret.partition("=")[2]) == 64
    again = CliRunner().invoke(app, ["init"])
    assert (again.exit_code, "nothing changed" in str(again.exception)) == (1, True)
    listed = as_process("subscribers", "list")  # the file is taken; only the tables are missing
    assert (listed.returncode, "digest migrate" in listed.stderr, "Traceback" in listed.stderr) == (3, True, False)


@pytest.mark.parametrize(
    ("arguments", "environment", "code", "said"),
    [
        (("publish", "--date", "2026-13-44"), {}, 2, "not a date"),
        (("collect", "--as-of", "yesterday"), {}, 2, "not an instant"),
        (("nonsense",), {}, 2, "No such command"),
        (("subscribers", "add", "not an address"), {}, 2, "Enter an email address with an @"),
        (("audit", "--issue", DATE), {}, 3, "digest migrate"),
        (("audit",), {"DIGEST_CUT_AT": "noon"}, 2, "DIGEST_CUT_AT"),
        (("audit",), {"DIGEST_DATABASE_URL": "mysql://host/name"}, 2, "DIGEST_DATABASE_URL"),
        (("audit",), {"DIGEST_DATABASE_URL": "sqlite:////proc/nowhere/x.sqlite"}, 3, "DIGEST_DATABASE_URL"),
        (("audit",), {"DIGEST_DATABASE_URL": "postgresql://127.0.0.1:9/digest"}, 3, "database cannot be used"),
        (("publish",), {"DIGEST_DATABASE_URL": "sqlite:////nowhere/x.sqlite"}, 3, "There is no database /nowhere"),
        (("audit",), {"DIGEST_DATABASE_URL": f"sqlite:///{__file__}"}, 3, "file is not a database. Check"),
        (("web", "--port", "99999"), {}, 2, "'--port': use 65535 or less; see: digest web --help"),
        (("web", "--port", "tcp://10.43.12.7:8000"), {}, 2, "'--port': write a whole number"),
        (("web", "--port", "-1"), {}, 2, "'--port': use 0 or more"),
        (("web", "--host", "256.0.0.1", "--port", "0"), {}, 3, "Cannot listen on 256.0.0.1, port 0"),
        (("search", "graphs", "--limit", "many"), {}, 2, "'--limit': write a whole number"),
        (("worker", "--processes", "2.5"), {}, 2, "'--processes': write a whole number"),
        (("audti",), {}, 2, "Did you mean 'audit'?"),
        (("audit", "--jsn"), {}, 2, "No such option: --jsn"),
        (("audit", "--date"), {}, 2, "requires an argument"),
        (("init", "--file", "/nowhere/.env"), {}, 3, "Cannot write /nowhere/.env"),
        (("scheduler",), {"DIGEST_DKIM_KEYS": "nov=absent.pem"}, 2, "DIGEST_DKIM_KEYS: absent.pem cannot be read"),
        (("search", "--limt", "5", "graphs"), {}, 2, "no such option"),
        (("worker",), {}, 3, "DIGEST_REDIS_URL"),
        (("worker",), {"DIGEST_REDIS_URL": "redis://127.0.0.1:9/0"}, 3, "DIGEST_SMTP_URL"),
        (("send-test", "ada@example.com"), {}, 3, "DIGEST_SMTP_URL"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_clear_line_and_the_right_exit_code(
    arguments, environment, code, said, monkeypatch, capsys, tmp_path, sqlite_template
):
    if arguments[:2] == ("subscribers", "add"):
        monkeypatch.setenv("DIGEST_DATABASE_URL", f"sqlite:///{shutil.copy(sqlite_template, tmp_path)}")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", ["digest", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    printed = capsys.readouterr().err
    assert exit_.value.code == code, printed
    assert said in printed
    assert printed.count("\n") == 1 or "signed up" in printed
    assert "Input should" not in printed


@pytest.mark.parametrize("command", ["audit", "explain", "preview", "pause", "resume", "cancel", "retry", "send-test"])
def test_every_command_about_an_issue_takes_the_same_option_for_its_date(run, command):
    help_text = run(command, "--help").stdout
    assert "--date" in help_text
    assert "--issue" in help_text


@pytest.mark.parametrize("name", ["digest", "daily", "weekly", "catch-up"])
def test_the_kind_of_an_issue_is_the_kind_of_its_messages(run, engine, name):
    missing = run("audit", "--date", DATE, "--kind", name)
    assert (missing.exit_code, f"issue of {DATE} was cut: " in missing.stdout) == (3, True)


def test_an_unknown_kind_of_issue_is_answered_with_the_known_ones(run):
    answer = run("audit", "--kind", "confirmation")
    assert answer.exit_code == 2
    assert "available: digest, weekly, catch-up" in " ".join(answer.stderr.replace("│", " ").split())


def test_an_operator_moves_a_subscriber_to_an_address_that_confirms(run, engine):
    ada = add_subscriber(engine, "ada@old.example")
    add_subscriber(engine, "bob@new.example")
    dry = run("subscribers", "move", "ada@old.example", "ada@new.example", "--dry-run", "--json")
    assert json.loads(dry.stdout) == {
        "address": "ada@old.example", "new": "ada@new.example", "asked": False, "dry_run": True
    }  # fmt: skip
    assert "subscription of its own" in run("subscribers", "move", "ada@old.example", "bob@new.example").stderr
    assert "is asked to confirm" in run("subscribers", "move", "ada@old.example", "ada@new.example").stderr
    with read_only(engine) as connection:
        change = open_change(connection, ada.id)
    assert change is not None
    assert confirm_change(engine, change.id, Side.NEW, change.requested_at, "") is ChangeOutcome.CHANGED
    shown = run("subscribers", "show", "ada@new.example").stdout
    assert "before that: ada@old.example" in shown
    assert "to ada@new.example" in run("subscribers", "show", "ada@old.example").stdout
    imported = run("subscribers", "add", "ada@old.example", "--consented", "old list").stderr
    assert "1 already there" in imported, "an old list does not bring the address back"

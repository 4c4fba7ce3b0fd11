"""digest bounce reads reports from files, folders and stdin; digest bounces receives them."""

import json

from sqlalchemy import select
from typer.testing import CliRunner

from digest.cli.main import app
from digest.database.engine import read_only
from digest.database.tables import bounce_counts
from digest.settings import settings
from tests.bounces.reading.messages import dsn, failed, notice
from tests.support.imap_server import imap_server

HARD = dsn(failed("ann@example.net", "5.1.1", "550 5.1.1 User unknown"))
SOFT = dsn(failed("bob@example.net", "5.2.2", "552 5.2.2 Mailbox full"))
HARD_ROW = {"kind": "hard", "status": "5.1.1", "recipient": "ann@example.net"}
SOFT_ROW = {"kind": "soft", "status": "5.2.2", "recipient": "bob@example.net"}
NONE_ROW = {"kind": "none", "status": None, "recipient": None}


def test_each_recipient_of_each_message_is_one_row(command, tmp_path):
    (tmp_path / "a.eml").write_bytes(HARD)
    (tmp_path / "b.eml").write_bytes(notice("See you tomorrow.", "ann@example.net", "Re: Papers"))
    done = command("bounce", str(tmp_path / "a.eml"), str(tmp_path / "b.eml"), "--json")
    assert json.loads(done.stdout) == [HARD_ROW, NONE_ROW]
    lines = command("bounce", str(tmp_path / "a.eml")).stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["file", "kind", "status", "recipient", "server", "reply"],
        ["a.eml", "hard", "5.1.1", "ann@example.net", "550", "5.1.1", "User", "unknown"],
    ]


def test_a_maildir_a_folder_and_an_mbox_are_read_whole(command, tmp_path):
    for folder in ("cur", "new", "tmp"):
        (tmp_path / "maildir" / folder).mkdir(parents=True)
    (tmp_path / "maildir" / "new" / "1").write_bytes(HARD)
    (tmp_path / "maildir" / "cur" / "2:2,S").write_bytes(SOFT)
    (tmp_path / "maildir" / "tmp" / "3").write_bytes(SOFT)
    (tmp_path / "mbox").write_bytes(
        b"".join(b"From MAILER-DAEMON Thu Nov 26 06:01:02 2026\n" + m + b"\n" for m in (HARD, SOFT))
    )
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "1.eml").write_bytes(SOFT)
    done = command("bounce", *(str(tmp_path / name) for name in ("maildir", "mbox", "folder")), "--json")
    assert json.loads(done.stdout) == [HARD_ROW, SOFT_ROW, HARD_ROW, SOFT_ROW, SOFT_ROW]


def test_a_missing_file_is_exit_code_2_and_one_line(command, tmp_path):
    done = command("bounce", str(tmp_path / "none.eml"), "--json")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"digest: {tmp_path}/none.eml does not exist\n")


def test_stdin_is_read_too():
    done = CliRunner().invoke(app, ["bounce", "-", "--json"], input=HARD)
    assert json.loads(done.stdout) == [HARD_ROW]


def test_a_piped_message_is_processed(run, engine):
    done = CliRunner().invoke(app, ["bounces", "receive", "--json"], input=HARD)
    assert (done.exit_code, json.loads(done.stdout)) == (0, {"proofs": ["unproved"], "dry_run": False})
    with read_only(engine) as connection:
        assert connection.scalars(select(bounce_counts.c.reports)).all() == [1]


def test_a_mail_server_tries_again_if_a_piped_message_cannot_be_stored(monkeypatch, tmp_path):
    monkeypatch.setenv("DIGEST_DATABASE_URL", f"sqlite:///{tmp_path}/none/digest.sqlite")
    monkeypatch.setenv("DIGEST_SECRET_KEY", "x" * 40)
    done = CliRunner().invoke(app, ["bounces", "receive"], input=HARD)
    assert done.exit_code == 75


def test_messages_in_the_mailboxes_of_the_settings_are_processed(run, monkeypatch, tmp_path):
    for folder in ("cur", "new", "tmp"):
        (tmp_path / folder).mkdir()
    (tmp_path / "new" / "1").write_bytes(HARD)
    assert run("bounces", "collect").exit_code == 1  # NotReady, which main() makes exit code 3
    monkeypatch.setenv("DIGEST_BOUNCE_MAILDIR", str(tmp_path))
    with imap_server(SOFT) as server:
        monkeypatch.setenv("DIGEST_BOUNCE_IMAP_URL", server.url)
        settings.cache_clear()
        assert json.loads(run("bounces", "collect", "--dry-run", "--json").stdout) == {"messages": 2, "dry_run": True}
        assert json.loads(run("bounces", "collect", "--json").stdout) == {"messages": 2, "dry_run": False}
        assert json.loads(run("bounces", "collect", "--json").stdout) == {"messages": 0, "dry_run": False}

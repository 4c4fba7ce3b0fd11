"""The commands that let people into the console."""

import json

from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.ledger import events
from tests.support.commands import Command


def test_a_link_is_printed_even_where_no_mail_can_be_sent(command: Command, database_url: str, engine: Engine) -> None:
    settings = {"DIGEST_DATABASE_URL": database_url, "DIGEST_OPERATOR": "root"}
    made = command("console", "link", "--operator", "ada", **settings)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("http://127.0.0.1:8000/console/sign-in/")
    viewer = json.loads(
        command("console", "link", "--operator", "eve", "--role", "viewer", "--json", **settings).stdout
    )
    again = json.loads(command("console", "link", "--operator", "eve", "--json", **settings).stdout)
    assert (viewer["role"], viewer["was"], again["role"], again["was"]) == ("viewer", None, "viewer", "viewer")
    assert viewer["link"] != again["link"]
    listed = json.loads(command("console", "operators", "--json", **settings).stdout)
    assert [(each["name"], each["role"]) for each in listed] == [("ada", "operator"), ("eve", "viewer")]
    assert "sign-in" not in json.dumps(listed)
    assert command("console", "remove", "eve", **settings).returncode == 0
    assert "eve" not in command("console", "operators", **settings).stdout
    with read_only(engine) as connection:
        logged = events.latest(connection, 9, "operator:eve")
    assert [event.what for event in logged] == ["operator removed", "sign-in link made", "operator added"]
    assert {(event.detail["by"], event.detail["through"]) for event in logged} == {("root", "shell")}


def test_a_dry_run_changes_nobody_and_prints_no_link(command: Command, sqlite_url: str) -> None:
    settings = {"DIGEST_DATABASE_URL": sqlite_url}
    new = command("console", "link", "--operator", "ada", "--role", "viewer", "--dry-run", **settings)
    assert (new.stdout, new.stderr) == ("", "A link for ada would be printed. ada would be added as viewer.\n")
    assert json.loads(command("console", "operators", "--json", **settings).stdout) == []
    command("console", "link", "--operator", "ada", **settings)
    other = command("console", "link", "--operator", "ada", "--role", "viewer", "--dry-run", **settings)
    assert "ada would be made viewer." in other.stderr
    assert command("console", "remove", "ada", "--dry-run", **settings).stderr == "ada would be removed.\n"
    assert [row["role"] for row in json.loads(command("console", "operators", "--json", **settings).stdout)] == [
        "operator"
    ]


def test_a_name_that_is_none_and_a_person_who_is_none_are_refused(command: Command, sqlite_url: str) -> None:
    settings = {"DIGEST_DATABASE_URL": sqlite_url}
    for name in ("", " ", "x" * 61, "a\nb"):
        assert command("console", "link", "--operator", name, **settings).returncode == 2
    missing = command("console", "remove", "nobody", **settings)
    assert missing.returncode == 3
    assert "There is no operator 'nobody'" in missing.stderr

"""The tokens of programs, made, listed and revoked in a shell."""

import json

import pytest

from tests.support.scenario import ON_SQLITE

pytestmark = ON_SQLITE


@pytest.fixture
def run(command, engine, database_url):
    return lambda *arguments: command("api-tokens", *arguments, DIGEST_DATABASE_URL=database_url, DIGEST_OPERATOR="ada")


def test_a_token_is_printed_once_listed_and_revoked(run):
    scopes = ("--scope", "papers:read", "--scope", "subscribers:write")
    dry = run("create", "crm", *scopes, "--dry-run")
    assert (dry.returncode, dry.stdout) == (0, "")
    assert "no API token" in run("list").stdout
    token = run("create", "crm", *scopes).stdout.strip()
    listed = run("list").stdout
    assert token[:11] in listed
    assert token not in listed
    assert "papers:read, subscribers:write" in listed
    (document,) = json.loads(run("list", "--json").stdout)
    assert (document["name"], document["state"], document["created_by"]) == ("crm", "valid", "ada")
    assert run("revoke", "crm", "--dry-run").returncode == 0
    assert json.loads(run("list", "--json").stdout)[0]["state"] == "valid"
    assert run("revoke", "crm").returncode == 0
    assert json.loads(run("list", "--json").stdout)[0]["state"] == "revoked"
    again = run("create", "crm", *scopes)
    assert (again.returncode, "Choose another name" in again.stderr) == (3, True)


def test_mistakes_are_named_in_one_line(run):
    wrong = run("create", "crm", "--scope", "papers:write")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "available: subscribers:read" in wrong.stderr
    assert run("create", "crm").returncode == 2
    assert run("revoke", "nobody").returncode == 3

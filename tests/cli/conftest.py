"""A command run in this process on a fresh database, and an issue for it."""

import pytest
from typer.testing import CliRunner

from digest.cli.main import app
from tests.support.scenario import add_papers, add_subscriber, cut

KEY = "a-secret-of-at-least-thirty-two-characters"
DATE = "2026-03-04"


@pytest.fixture
def run(engine, database_url, monkeypatch):
    """Runs a command in this process on a fresh database."""
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    monkeypatch.setenv("DIGEST_SECRET_KEY", KEY)
    monkeypatch.setenv("DIGEST_OPERATOR", "ada")

    def run(*arguments):
        return CliRunner().invoke(app, [str(one) for one in arguments])

    return run


@pytest.fixture
def issue(engine):
    add_papers(engine, range(12))
    add_subscriber(engine, "ada@example.com")
    return cut(engine)

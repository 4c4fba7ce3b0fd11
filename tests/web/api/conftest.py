"""Programs that use the API."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from sqlalchemy import Engine
from starlette.testclient import TestClient

from digest.clock import now
from digest.database.engine import transaction
from digest.monitoring import api_tokens
from digest.monitoring.api_tokens import TokenScope
from digest.settings import Settings
from digest.subscribers import admission
from digest.web.app import create_app
from tests.support.scenario import add_subscriber
from tests.web.conftest import START, Visit
from tests.web.rendered_pages import serving

ISSUE = {"date": str(START.date()), "kind": "daily"}
Program = Callable[..., TestClient]


@dataclass
class Tokens:
    """Makes tokens with names of their own."""

    engine: Engine
    made: int = 0

    def new(self, *scopes: TokenScope, days: int = 90) -> str:
        self.made += 1
        wanted = api_tokens.NewToken(f"program {self.made}", frozenset(scopes), days)
        with transaction(self.engine) as connection:
            token = api_tokens.create(connection, wanted, "ada", now())
        assert token is not None
        return token


@pytest.fixture
def tokens(visit: Visit) -> Tokens:
    return Tokens(visit.engine)


@pytest.fixture
def program(visit: Visit, tokens: Tokens) -> Program:
    """`program(scopes)` is a client with a token of these scopes, of all without any."""

    def client(*scopes: TokenScope) -> TestClient:
        token = tokens.new(*(scopes or TokenScope))
        headers = {"Authorization": f"Bearer {token}"}
        return TestClient(visit.browser.app, "http://127.0.0.1:8000/api/v1", headers=headers, client=("127.0.0.1", 1))

    return client


@pytest.fixture
def empty_api(visit: Visit, settings: Settings) -> Iterator[str]:
    """The address of a site without anything."""
    with serving(create_app(visit.engine, settings, lambda: None)) as url:
        yield url


@pytest.fixture
def api(filled: Visit, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a site with something of each kind, whose programs may send as many requests as they like."""
    monkeypatch.setattr(admission, "API_REQUESTS_AN_HOUR", 10_000_000)
    for number in range(3):
        add_subscriber(filled.engine, f"ada{number}@example.org")
    with serving(create_app(filled.engine, settings, lambda: None)) as url:
        yield url

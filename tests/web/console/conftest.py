"""People at the console."""

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from digest.clock import now
from digest.database.engine import transaction
from digest.ledger import events
from digest.monitoring.operators import OperatorRole, make_link
from digest.settings import Settings
from digest.web.app import create_app
from tests.support.scenario import PLAN, add_papers, add_subscriber, cut
from tests.web.conftest import START, Visit

SignIn = Callable[..., TestClient]


def link_for(visit: Visit, name: str = "ada", role: OperatorRole = OperatorRole.OPERATOR) -> str:
    """The path of a new link to sign in."""
    with events.acting("root", "shell"), transaction(visit.engine) as connection:
        return f"/console/sign-in/{make_link(connection, name, role, now())}"


def browser_of(visit: Visit, settings: Settings | None = None, host: str = "192.0.2.1") -> TestClient:
    """Another browser at the same site, or at one with other settings."""
    app = create_app(visit.engine, settings, lambda: visit.hints.append(None)) if settings else visit.browser.app
    base = urlsplit(settings.public_url if settings else "http://127.0.0.1:8000")
    return TestClient(app, f"{base.scheme}://{base.netloc}", client=(host, 50_000), follow_redirects=False)


def form_token(page: str) -> str:
    """Of any form on a page of the console."""
    found = re.search(r'name="form_token" value="(\w{32})"', page)
    assert found is not None
    return found[1]


@pytest.fixture
def signed_in(visit: Visit) -> SignIn:
    """`signed_in("ada", role)` is a browser in which that person has signed in."""

    def sign_in(
        name: str = "ada", role: OperatorRole = OperatorRole.OPERATOR, settings: Settings | None = None
    ) -> TestClient:
        browser = browser_of(visit, settings)
        assert browser.post(link_for(visit, name, role)).status_code == 303
        return browser

    return sign_in


@pytest.fixture
def ada(visit: Visit, signed_in: SignIn):
    """An operator's browser, on a day whose issue waits for its subscribers."""
    for name in ("bob", "eve", "tim"):
        add_subscriber(visit.engine, f"{name}@example.org", hour=23)
    add_papers(visit.engine, range(3), START)
    cut(visit.engine, START.date(), START, replace(PLAN, warm_up=False))
    browser = signed_in("ada")
    browser.follow_redirects = True
    return browser


def do(browser, path: str, **fields: str):
    """Send a form of the console; the page after it."""
    token = form_token(browser.get("/console").text)
    answer = browser.post(path, data={"form_token": token} | fields)
    assert answer.status_code == 200
    assert "form_token=" not in str(answer.url), "no secret in an address"
    return answer.text

"""Every route of the API with every token that must not open it, found by walking the routes."""

from datetime import timedelta

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Mount
from starlette.testclient import TestClient

from digest.clock import now
from digest.database.engine import transaction
from digest.monitoring import api_tokens
from digest.monitoring.api_tokens import TokenScope
from digest.web.api.access import PATH, ApiRouter, ScopedRoute
from digest.web.api.app import DOCUMENT
from tests.conftest import Clock
from tests.support.scenario import ON_SQLITE
from tests.web.api.conftest import Program, Tokens
from tests.web.conftest import START, Visit

pytestmark = ON_SQLITE
UNKNOWN = api_tokens.new_token()
VALUES = {"id": "1", "date": str(START.date()), "kind": "daily", "key": "0" * 32}


def routes(app: FastAPI) -> list[tuple[str, str, type[APIRoute], TokenScope | None]]:
    """Method, path, class and scope of each route of the API as it is served."""
    (api,) = [route.app for route in app.routes if isinstance(route, Mount) and route.path == PATH]
    assert isinstance(api, FastAPI)
    assert {type(route).__mro__[1] for route in api.routes if route.path != DOCUMENT} == {ScopedRoute}
    every = [route for route in api.routes if isinstance(route, APIRoute) and route.path != DOCUMENT]
    assert len(every) == len(api.routes) - 1, "a route of a kind that asks for no scope"
    return [
        (next(iter(route.methods)), PATH + route.path.replace(":path", "").format(**VALUES), type(route), route.scope)
        for route in every
    ]


def test_each_route_refuses_each_other_scope_and_changes_nothing(filled: Visit, tokens: Tokens) -> None:
    every = routes(filled.browser.app)
    held = {scope: tokens.new(scope) for scope in TokenScope}
    assert {scope for *_, scope in every} == set(TokenScope)
    _use_each(filled, held)
    before = filled.everything()
    for method, path, _, needed in every:
        for scope, token in held.items():
            if scope is not needed:
                answer = filled.browser.request(method, path, headers={"Authorization": f"Bearer {token}"}, json={})
                assert (answer.status_code, answer.json()["reason"]) == (403, "insufficient scope"), (path, scope)
                assert f'scope="{needed}"' in answer.headers["www-authenticate"]
    assert _but_for_limits(filled.everything()) == _but_for_limits(before)


def _use_each(visit: Visit, held: dict[TokenScope, str]) -> None:
    """Once, after which their last use is known."""
    for token in held.values():
        visit.browser.get(f"{PATH}/status", headers={"Authorization": f"Bearer {token}"})


def _but_for_limits(tables: dict[str, list[tuple[object, ...]]]) -> dict[str, list[tuple[object, ...]]]:
    return {name: rows for name, rows in tables.items() if name != "buckets"}


def test_each_route_opens_for_its_scope_alone(filled: Visit, tokens: Tokens) -> None:
    for method, path, _, needed in routes(filled.browser.app):
        token = tokens.new(needed)
        answer = filled.browser.request(method, path, headers={"Authorization": f"Bearer {token}"}, json={})
        assert answer.status_code in (200, 201, 204, 404, 422), (method, path, answer.text)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic YTpi", "Bearer digest_" + "a" * 38, f"Bearer {UNKNOWN}"],
    ids=("none", "no token", "a password", "wrong checksum", "unknown"),
)
def test_no_route_opens_without_a_token(filled: Visit, signed_in_browser: TestClient, header: str) -> None:
    """Nor for someone who is signed in to the console: a cookie counts for nothing."""
    before = filled.everything()
    for method, path, *_ in routes(filled.browser.app):
        answer = signed_in_browser.request(method, path, headers={"Authorization": header} if header else {})
        assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json"), path
        assert answer.headers["www-authenticate"].startswith('Bearer realm="digest"')
    assert _but_for_limits(filled.everything()) == _but_for_limits(before)


@pytest.fixture
def signed_in_browser(filled: Visit) -> TestClient:
    from tests.web.console.conftest import browser_of, link_for

    browser = browser_of(filled)
    assert browser.post(link_for(filled)).status_code == 303
    return browser


def test_a_route_without_a_scope_cannot_be_made(visit: Visit) -> None:
    router = ApiRouter()
    for register in (router.get, router.post, router.api_route):
        with pytest.raises(TypeError, match="ask for a scope"):
            register("/open")(lambda: None)


def test_a_token_ends_when_it_expires_and_when_it_is_revoked(visit: Visit, tokens: Tokens, clock: Clock) -> None:
    token, other = tokens.new(TokenScope.PAPERS_READ, days=2), tokens.new(TokenScope.PAPERS_READ)
    ask = lambda token: visit.browser.get(f"{PATH}/papers", headers={"Authorization": f"Bearer {token}"})  # noqa: E731
    clock.move_to(now() + timedelta(days=2) - timedelta(seconds=1))
    assert ask(token).status_code == 200
    clock.move_to(now() + timedelta(seconds=1))
    assert (ask(token).status_code, ask(token).json()["detail"]) == (401, "This API token is expired.")
    assert ask(other).status_code == 200
    with transaction(visit.engine) as connection:
        assert api_tokens.revoke(connection, "program 2", now())
    assert ask(other).json()["detail"] == "This API token is revoked."


def test_the_description_names_the_scope_of_each_operation(program: Program, visit: Visit) -> None:
    described = program().get("/openapi.json").json()["paths"]
    named = [
        (method.upper(), path, operation["security"])
        for path, methods in described.items()
        for method, operation in methods.items()
    ]
    served = [
        (method, path.removeprefix(PATH), [{"token": [str(scope)]}])
        for method, path, _, scope in routes(visit.browser.app)
    ]
    assert sorted((method, path.format(**VALUES), security) for method, path, security in named) == sorted(served)

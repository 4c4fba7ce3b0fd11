"""The endpoint that answers does not depend on the order of the routers."""

from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from digest.settings import Settings
from digest.web.app import create_app
from digest.web.guard import redacted
from tests.web.conftest import Visit

PATHS = (
    "/", "/subscribe", "/manage", "/privacy", "/how-papers-are-chosen", "/search", "/healthz", "/readyz",
    "/robots.txt", "/sitemap.xml", "/metrics", "/sample-email", "/sample-email/html",
    "/issues", "/issues/2026-11-23", "/issues/2026-11-23/weekly", "/papers/2511.00001", "/papers/issues/2026-11-23",
    "/topics", "/topics/vision", "/topics/vision/feed.atom", "/topics/vision/feed.json", "/feed.atom", "/feed.json",
    "/static/digest.css", "/confirm/x", "/preferences/x", "/u/x", "/suggest/x", "/feedback/x", "/list/x/feed.atom",
    "/list/x", "/list/x/saved.bib", "/list/x/saved.ris",
    "/feedback/x/issues/2026-11-23", "/feedback/x/issues/2026-11-23/weekly", "/feedback/x/more/2511.00001",
    "/feedback/x/less/issues/2026-11-23", "/feedback/x/read/a/b", "/inbox", "/inbox/x", "/inbox/x/html", "/inbox/x/raw",
    "/my/x/welcome", "/my/x/next-email", "/my/x/next-email/html",
)  # fmt: skip
ELSEWHERE = ("/nothing", "/feedback/x/love/2511.00001", "/feedback/x/issues", "/issues/a/b/c", "/inbox/x/y")


@pytest.fixture
def app(visit: Visit, settings: Settings, tmp_path: Path) -> FastAPI:
    """Every page that there is."""
    return create_app(visit.engine, settings.model_copy(update={"inbox_dir": tmp_path}), lambda: None)


def endpoints(app: FastAPI, method: str) -> dict[str, str]:
    """The name of the endpoint that answers at each path, "" for none."""
    names: list[str] = []

    async def noting(scope: Scope, receive: Receive, send: Send) -> None:
        await app(scope, receive, send)
        names.append(getattr(scope.get("endpoint"), "__qualname__", type(scope.get("endpoint")).__qualname__))

    browser = TestClient(noting, "http://127.0.0.1", follow_redirects=False, client=("127.0.0.1", 50_000))
    for path in (*PATHS, *ELSEWHERE):
        browser.request(method, path)
    return dict(zip((*PATHS, *ELSEWHERE), names, strict=True))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_same_endpoints_answer_in_any_order_of_the_routers(app: FastAPI, method: str) -> None:
    before = endpoints(app, method)
    app.router.routes.reverse()
    assert endpoints(app, method) == before
    if method == "GET":
        assert [path for path in PATHS if before[path] == "NoneType"] == []
        assert [path for path in ELSEWHERE if before[path] != "NoneType"] == []


@pytest.mark.filterwarnings("ignore:Duplicate Operation ID")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_every_page_behind_a_token_is_closed_to_robots_and_its_token_is_never_logged(app: FastAPI) -> None:
    robots = TestClient(app).get("/robots.txt").text.splitlines()
    behind_tokens = [path for path in app.openapi()["paths"] if "{token}" in path]
    assert len(behind_tokens) >= 7
    for path in behind_tokens:
        below = path.partition("{")[0]
        assert f"Disallow: {below}" in robots
        assert redacted(f"{below}secret") == f"{below}…"

"""Mail scanners open every link, many times and in every way that is said to be safe; it changes nothing."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from fastapi import FastAPI

from digest.settings import Settings
from digest.subscribers.tokens import Purpose
from digest.web.app import create_app
from tests.support.scenario import add_papers
from tests.web.conftest import START, Visit

PAPER = "2603.00001"
QUERY = (
    b"List-Unsubscribe=One-Click&action=erase&sure=yes&undo=yes&say=more&vote=yes&paper=2405.17247&mute=vision&tell=yes"
)


def every_kind_of_link(visit: Visit) -> list[str]:
    add_papers(visit.engine, range(1, 4), START - timedelta(hours=3))
    subscriber = visit.subscribed()
    visit.browser.post("/subscribe", data={"email": "pending@example.org"})
    pending = visit.token(Purpose.CONFIRM, visit.subscriber("pending@example.org"))
    token = {purpose: visit.token(purpose, subscriber) for purpose in Purpose}
    visit.browser.post(f"/feedback/{token[Purpose.FEEDBACK]}/more/{PAPER}")
    return [
        *(f"/feedback/{token[Purpose.FEEDBACK]}/{said}/{PAPER}" for said in ("more", "less", "read")),
        *(f"/{page}/{token[Purpose.FEEDBACK]}" for page in ("feedback", "suggest")),
        *(f"/confirm/{one}" for one in (token[Purpose.CONFIRM], pending)),
        f"/u/{token[Purpose.UNSUBSCRIBE]}",
        *(f"/preferences/{token[purpose]}" for purpose in (Purpose.MANAGE, Purpose.FRESH)),
        *("/", "/subscribe", "/manage", "/issues", f"/papers/{PAPER}"),
    ]


def test_safe_requests_on_every_kind_of_link_change_nothing(visit: Visit, settings: Settings) -> None:
    links = every_kind_of_link(visit)
    nothing_changes(visit, settings, links, times=6 * len(links))  # each method, with and without the query


def nothing_changes(visit: Visit, settings: Settings, links: Sequence[str], times: int) -> None:
    before = visit.everything()
    visit.hints.clear()
    everything_on = settings.model_copy(update={"sources": ("arxiv", "readers")})
    app = create_app(visit.engine, everything_on, lambda: visit.hints.append(None))
    assert asyncio.run(knock(app, links, times)) <= {200, 303, 404, 405}
    assert visit.everything() == before
    assert visit.hints == []


async def knock(app: FastAPI, links: Sequence[str], times: int) -> set[int]:
    """Send many requests straight to the app, since an HTTP client would take most of the time."""
    statuses: set[int] = set()

    async def listen(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            statuses.add(int(str(message["status"])))

    for number in range(times):
        path = links[number % len(links)]
        asked = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": ("GET", "HEAD", "OPTIONS")[number // len(links) % 3],
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": QUERY if number // len(links) % 2 else b"",
            "headers": [(b"host", b"127.0.0.1")],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8000),
        }
        await app(asked, _no_body, listen)  # type: ignore[arg-type]
    return statuses


async def _no_body() -> dict[str, object]:
    return {"type": "http.request", "body": b"", "more_body": False}

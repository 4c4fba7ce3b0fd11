"""One-click requests of mail providers that come at the same time."""

import http.client
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import Engine, event, select, update
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest.database.engine import read_only, transaction
from digest.database.tables import events, subscribers
from digest.ledger.kinds import Status
from digest.run.processes import wait_until
from digest.settings import Settings
from digest.subscribers.tokens import Purpose, sign
from digest.web.app import create_app
from tests.support.scenario import add_subscriber
from tests.web.conftest import SECRET, START
from tests.web.rendered_pages import serving

COUNT = 12


class Arrivals:
    """In front of the site; counts the requests whose body has been read."""

    count = 0

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def counted() -> Message:
            message = await receive()
            type(self).count += 1
            return message

        await self._app(scope, counted, send)


@pytest.fixture
def site(engine: Engine, settings: Settings) -> Iterator[str]:
    app = create_app(engine, settings, lambda: None)
    app.add_middleware(Arrivals)
    Arrivals.count = 0
    with serving(app) as address:
        yield address.removeprefix("http://")


@pytest.fixture
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(COUNT) as pool:
        yield pool


def unsubscribe(site: str, subscriber_id: int) -> int:
    """The status of the answer to one click."""
    with closing(http.client.HTTPConnection(site, timeout=30)) as connection:
        path = f"/u/{sign(Purpose.UNSUBSCRIBE, subscriber_id, START, [SECRET.encode()])}"
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", path, "List-Unsubscribe=One-Click", headers)
        return connection.getresponse().status


def confirmed(engine: Engine) -> set[int]:
    with read_only(engine) as connection:
        return set(connection.scalars(select(subscribers.c.id).where(subscribers.c.status == Status.CONFIRMED)))


def test_those_that_wait_at_the_same_time_share_a_transaction_and_each_has_its_event(
    site: str, engine: Engine, clients: ThreadPoolExecutor
) -> None:
    everyone = [add_subscriber(engine, f"ada{number}@example.org") for number in range(COUNT)]
    first_may_end, commits = threading.Event(), []

    def hold(_connection: object) -> None:
        commits.append(None)
        first_may_end.wait(10)

    assert unsubscribe(site, everyone[0].id + COUNT) == 200  # nobody: the statements are compiled
    event.listen(engine, "commit", hold)
    answers = [clients.submit(unsubscribe, site, everyone[0].id)]
    assert wait_until(lambda: len(commits) == 1, seconds=10)
    answers += [clients.submit(unsubscribe, site, subscriber.id) for subscriber in everyone[1:]]
    assert wait_until(lambda: Arrivals.count == COUNT + 1, seconds=10)
    assert not any(answer.done() for answer in answers)
    first_may_end.set()
    assert {answer.result() for answer in answers} == {200}
    assert len(commits) <= 3
    assert not confirmed(engine)
    with read_only(engine) as connection:
        recorded = connection.execute(select(events.c.subject, events.c.detail).where(events.c.what == "unsubscribed"))
        assert sorted(map(tuple, recorded), key=str) == sorted(
            [(f"subscriber:{subscriber.key}", {"how": "one-click"}) for subscriber in everyone], key=str
        )


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite locks no rows
def test_a_subscriber_who_is_being_changed_keeps_no_other_waiting(
    site: str, engine: Engine, clients: ThreadPoolExecutor
) -> None:
    ada, eve = (add_subscriber(engine, address) for address in ("ada@example.org", "eve@example.org"))
    with transaction(engine) as connection:
        connection.execute(update(subscribers).where(subscribers.c.id == ada.id).values(hour=9))
        waiting = clients.submit(unsubscribe, site, ada.id)
        assert clients.submit(unsubscribe, site, eve.id).result(timeout=20) == 200
        assert confirmed(engine) == {ada.id}
        assert not waiting.done()
    assert waiting.result(timeout=20) == 200
    assert not confirmed(engine)

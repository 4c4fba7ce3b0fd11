"""While the database is locked, forms are told to come back and everything else is answered as before."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from inspect import iscoroutinefunction

import anyio
import pytest

from digest.database.engine import connect, transaction
from digest.settings import Settings
from digest.subscribers.tokens import Purpose, sign
from digest.web.app import create_app
from digest.web.writing import after_others, in_turn
from tests.support.scenario import add_subscriber
from tests.web.conftest import ADDRESS, SECRET, START
from tests.web.rendered_pages import serving

PATIENCE = 2.0
FORMS = 45  # more than the web process has threads


@pytest.fixture
def site(sqlite_url: str, settings: Settings) -> Iterator[str]:
    engine = connect(sqlite_url, patience=PATIENCE)
    with serving(create_app(engine, settings, lambda: None)) as address:
        yield address.removeprefix("http://")
    engine.dispose()


def asked(site: str, method: str, path: str, body: str = "") -> http.client.HTTPConnection:
    """A request whose answer is still to be read, which closes it."""
    connection = http.client.HTTPConnection(site, timeout=30)
    connection.request(method, path, body, {"Content-Type": "application/x-www-form-urlencoded", "Connection": "close"})
    return connection


def status(site: str, path: str) -> int:
    with closing(asked(site, "GET", path)) as connection:
        return connection.getresponse().status


def test_a_held_write_lock_keeps_no_page_waiting(site: str, sqlite_url: str) -> None:
    other = connect(sqlite_url)
    subscriber = add_subscriber(other, ADDRESS)
    link = f"/u/{sign(Purpose.UNSUBSCRIBE, subscriber.id, START, [SECRET.encode()])}"
    assert status(site, "/") == 200  # from now on its template is compiled
    with ExitStack() as ends:
        with transaction(other):
            forms = [asked(site, "POST", link, "List-Unsubscribe=One-Click") for _ in range(FORMS)]
            for form in forms:
                ends.enter_context(closing(form))
            began = time.monotonic()
            assert status(site, "/") == 200
            assert time.monotonic() - began < PATIENCE / 2
            refused = forms[0].getresponse()
        assert (refused.status, refused.headers["Retry-After"]) == (503, "30")
        assert "Please try again shortly" in refused.read().decode()
        assert forms[-1].getresponse().status in (200, 503)
    other.dispose()


def test_work_after_an_answer_leaves_room_for_those_who_wait_for_theirs() -> None:
    may_end, begun = threading.Event(), []

    def carry_out() -> None:
        begun.append(None)
        may_end.wait(30)

    async def all_together() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(FORMS):
                tasks.start_soon(after_others, carry_out)
            while not begun:
                await anyio.sleep(0.001)
            with anyio.fail_after(20):
                assert await in_turn(lambda: "stored")() == "stored"
            may_end.set()
        assert len(begun) == FORMS

    anyio.run(all_together)


def test_the_answer_to_an_error_needs_no_thread_which_may_be_waiting_for_the_database(
    sqlite_url: str, settings: Settings
) -> None:
    engine = connect(sqlite_url)
    app = create_app(engine, settings, lambda: None)
    threads = {handler for handler in app.exception_handlers.values() if not iscoroutinefunction(handler)}
    engine.dispose()
    assert {handler.__module__ for handler in threads} <= {"fastapi.exception_handlers"}

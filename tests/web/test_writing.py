"""While the database is locked or Redis is silent, everything that does not need them is answered as before."""

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from digest.database.engine import connect, transaction
from digest.hints import HintSender
from digest.settings import Settings
from digest.web.app import create_app
from tests.web.rendered_pages import serving

PATIENCE = 1.0
HINT_SECONDS = 2.0  # each of five forms in turn would wait a second
FORMS = 45  # more than the web process has threads


@pytest.fixture
def site(sqlite_url: str, settings: Settings) -> Iterator[str]:
    """The site beside a Redis that accepts connections and never says a word."""
    engine = connect(sqlite_url, patience=PATIENCE)
    with socket.create_server(("127.0.0.1", 0), backlog=500) as silent:
        hint = HintSender(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        with serving(create_app(engine, settings, hint)) as address:
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
    assert status(site, "/") == 200  # from now on its template is compiled
    with ExitStack() as ends:
        with transaction(other):
            forms = [asked(site, "POST", "/subscribe", f"email=ada{n}@example.org") for n in range(FORMS)]
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


def test_forms_and_pages_do_not_wait_for_a_silent_redis(site: str) -> None:
    assert status(site, "/") == 200
    began = time.monotonic()
    with ExitStack() as ends:
        forms = [asked(site, "POST", "/subscribe", "email=ada@example.org") for _ in range(5)]
        for form in forms:
            assert ends.enter_context(closing(form)).getresponse().status == 200
        assert status(site, "/") == 200
    assert time.monotonic() - began < HINT_SECONDS

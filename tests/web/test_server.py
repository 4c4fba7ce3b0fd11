"""Clients that send nothing, send slowly or do not read cannot keep others out."""

import http.client
import resource
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import structlog
from fastapi import Response

from digest.database.engine import connect
from digest.run import processes
from digest.settings import Settings
from digest.web.app import create_app
from digest.web.server import ClientConnection
from tests.support.commands import Started
from tests.support.waiting import wait_for
from tests.web.rendered_pages import serving

MOST = 6
HALF_HEADERS = b"GET / HTTP/1.1\r\nHost: x\r\nX"
FORM = b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
HALF_BODY = FORM + b"Content-Length: 50\r\n\r\nemail="
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


class Hurried(ClientConnection):
    REQUEST_SECONDS = 0.3
    READING_SECONDS = 0.3
    lost = threading.Event()  # any of them

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.lost.set()


@pytest.fixture
def port(sqlite_url: str, settings: Settings) -> Iterator[int]:
    engine = connect(sqlite_url)
    app = create_app(engine, settings, lambda: None)
    app.add_api_route("/big", lambda: Response(b"x" * 8_000_000))
    with serving(app, http=Hurried, limit_concurrency=MOST) as address:
        yield int(address.rpartition(":")[2])
    engine.dispose()


def connected(port: int, sent: bytes, buffer: int = 0) -> socket.socket:
    connection = socket.socket()
    connection.settimeout(10)
    if buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, buffer)
    connection.connect((processes.LOOPBACK, port))
    connection.sendall(sent)
    return connection


def has_ended(connection: socket.socket) -> bool:
    """True once the server has closed it without an answer."""
    try:
        return connection.recv(100) == b""
    except ConnectionResetError:
        return True


def status(port: int, path: str) -> int:
    with closing(http.client.HTTPConnection(processes.LOOPBACK, port, timeout=10)) as connection:
        connection.request("GET", path)
        return connection.getresponse().status


@pytest.mark.parametrize("sent", [b"", HALF_HEADERS, HALF_BODY])
def test_a_request_that_does_not_end_is_ended(port: int, sent: bytes) -> None:
    with closing(connected(port, sent)) as connection:
        assert has_ended(connection)


def test_a_client_that_leaves_is_no_error_of_ours(port: int) -> None:
    def requests() -> list[int]:
        return [line["status"] for line in logs if line.get("path") == "/subscribe"]

    with structlog.testing.capture_logs() as logs:
        connected(port, HALF_BODY).close()
        wait_for(requests, 10, "the line of the request")
    assert requests() == [400]


def test_a_client_that_takes_its_time_between_two_requests_stays_connected(port: int) -> None:
    with closing(connected(port, REQUEST)) as connection:
        assert b"200 OK" in connection.recv(9999)
        assert select.select([connection], [], [], 2 * Hurried.REQUEST_SECONDS)[0] == []
        connection.sendall(REQUEST)
        assert b"200 OK" in connection.recv(9999)
        connection.sendall(HALF_HEADERS)
        assert has_ended(connection)


def test_a_client_that_does_not_read_its_answer_is_ended(port: int) -> None:
    Hurried.lost.clear()
    with closing(connected(port, REQUEST.replace(b"healthz", b"big"), buffer=2000)):
        assert Hurried.lost.wait(10)


def test_when_all_connections_are_taken_the_longest_idle_make_room(port: int) -> None:
    with ExitStack() as ends:
        idle = [ends.enter_context(closing(connected(port, HALF_HEADERS))) for _ in range(2 * MOST)]
        assert status(port, "/healthz") == 200
        assert has_ended(idle[0])


@pytest.mark.processes
def test_more_clients_than_files_are_said_once_and_survived(
    sqlite_url: str, start_digest: Started, tmp_path: Path
) -> None:
    port, files = processes.free_port(), 120
    web = start_digest("web", "--port", str(port), DIGEST_DATABASE_URL=sqlite_url)
    resource.prlimit(web.pid, resource.RLIMIT_NOFILE, (files, files))
    wait_for(lambda: processes.answers(port), 60, "the web process")
    with ExitStack() as ends:
        for _ in range(files):
            ends.enter_context(closing(connected(port, HALF_HEADERS)))
        assert [status(port, "/") for _ in range(3)] == [200] * 3
    told = [line for line in (tmp_path / "web-0.log").read_text().splitlines() if "too many connections" in line]
    assert len(told) == 1
    assert "ulimit -n" in told[0]

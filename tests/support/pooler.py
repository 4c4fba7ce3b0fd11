"""A pooler in transaction mode, as PgBouncer is: each transaction gets whichever session of the server is free."""

import os
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from typing import Any

import psycopg
from sqlalchemy import make_url

_SSL, _GSS = 80877103, 80877104  # requests of encryption (postgresql.org/docs/current/protocol-message-formats.html)
_SETTINGS = ("server_version", "client_encoding", "standard_conforming_strings", "DateStyle", "TimeZone")


class _Session:
    """One session of the server, opened by psycopg and then used through its socket."""

    def __init__(self, url: str) -> None:
        self._opened = psycopg.connect(url)
        self.settings = {name: self._opened.info.parameter_status(name) or "" for name in _SETTINGS}
        self._socket = socket.socket(fileno=os.dup(self._opened.fileno()))
        self._socket.setblocking(True)
        self.stream = self._socket.makefile("rwb")

    def close(self) -> None:
        self.stream.close()
        self._socket.close()
        self._opened.close()


class _Client(socketserver.StreamRequestHandler):
    server: "Pooler"

    def handle(self) -> None:
        with suppress(ConnectionError, struct.error):
            self._greet()
            while requests := self._requests():
                self._run(requests)

    def _greet(self) -> None:
        while True:
            length, code = struct.unpack("!II", self.rfile.read(8))
            self.rfile.read(length - 8)
            if code not in (_SSL, _GSS):
                break
            self.wfile.write(b"N")
        with self.server.session() as session:
            texts = [f"{name}\0{value}\0".encode() for name, value in session.settings.items()]
        self.wfile.write(_message(b"R", struct.pack("!I", 0)) + b"".join(_message(b"S", text) for text in texts))
        self.wfile.write(_message(b"K", os.urandom(8)) + _message(b"Z", b"I"))  # a process number of its own

    def _run(self, requests: bytes) -> None:
        """A whole transaction, which these requests begin."""
        with self.server.session() as session:
            while requests:
                session.stream.write(requests)
                session.stream.flush()
                is_lost = self.server.loses_answer(requests)
                kind = b""
                while kind != b"Z":
                    kind, body = _read(session.stream)
                    if not is_lost:
                        self.wfile.write(_message(kind, body))
                if is_lost:
                    self.connection.shutdown(socket.SHUT_RDWR)
                if body == b"I":
                    return
                requests = self._requests()
            session.stream.write(_message(b"Q", b"ROLLBACK\0"))
            session.stream.flush()
            while _read(session.stream)[0] != b"Z":
                pass

    def _requests(self) -> bytes:
        """The client's messages up to the next one that needs an answer; empty when the client has left."""
        requests = b""
        while True:
            kind, body = _read(self.rfile)
            if kind in (b"", b"X"):
                return b""
            requests += _message(kind, body)
            if kind in (b"Q", b"S"):
                return requests


class Pooler(socketserver.ThreadingTCPServer):
    """Listens on a free port of this machine and leads to one database."""

    daemon_threads = True

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self._url = url
        self._free: LifoQueue[_Session] = LifoQueue()
        self.lost_answers = (
            0  # to the next COMMITs: the server has committed, and the connection ends before it says so
        )

    @property
    def url(self) -> str:
        """For DIGEST_DATABASE_URL."""
        return f"postgresql://postgres@127.0.0.1:{self.server_address[1]}/{make_url(self._url).database}"

    def loses_answer(self, requests: bytes) -> bool:
        """Count down `lost_answers`."""
        is_lost = self.lost_answers > 0 and b"COMMIT" in requests
        self.lost_answers -= is_lost
        return is_lost

    @contextmanager
    def session(self) -> Iterator[_Session]:
        """A session for one transaction."""
        try:
            session = self._free.get_nowait()
        except Empty:
            session = _Session(self._url)
        yield session
        self._free.put(session)

    def server_close(self) -> None:
        super().server_close()
        while not self._free.empty():
            self._free.get().close()


@contextmanager
def pooled(url: str) -> Iterator[str]:
    """The address of a pooler in front of the database at `url`."""
    with serving(url) as pooler:
        yield pooler.url


@contextmanager
def serving(url: str) -> Iterator[Pooler]:
    """A pooler in front of the database at `url`."""
    with Pooler(url) as pooler:
        thread = threading.Thread(target=pooler.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield pooler
        pooler.shutdown()
        thread.join()


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def _read(stream: Any) -> tuple[bytes, bytes]:
    head = stream.read(5)
    if len(head) < 5:
        return b"", b""
    return head[:1], stream.read(struct.unpack("!I", head[1:])[0] - 4)

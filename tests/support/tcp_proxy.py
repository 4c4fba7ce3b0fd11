"""A TCP proxy that loses what a network or a server loses: packets of a connection, or the answer to a request."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CHUNK = 65_536


class TcpProxy:
    """Leads from a free port of this machine to another port or a socket; connections opened after a fault work."""

    def __init__(self, target: int | Path) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._pairs: list[_Pair] = []
        self._loses: Callable[[bytes], bool] = lambda _request: False
        self.lost = 0  # answers

    def drop_packets(self) -> None:
        """From now on nothing arrives over the connections that are open, in either direction, and neither end is told,
        as after a firewall has forgotten them.
        """
        for pair in self._pairs:
            pair.is_silent.set()

    def lose_answers(self, loses: Callable[[bytes], bool]) -> None:
        """Cut a connection when the server answers a request for which `loses` is true, before the answer passes."""
        self._loses = loses

    def serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                pair = _Pair(self, client, self._connect())
                self._pairs.append(pair)
                for forward in (pair.requests, pair.answers):
                    threading.Thread(target=forward, daemon=True).start()

    def _connect(self) -> socket.socket:
        if isinstance(self._target, int):
            return socket.create_connection(("127.0.0.1", self._target))
        server = socket.socket(socket.AF_UNIX)
        server.connect(str(self._target))
        return server

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for pair in self._pairs:
            pair.close()

    def is_to_lose(self, request: bytes) -> bool:
        return self._loses(request)


class _Pair:
    """The two halves of a connection."""

    def __init__(self, proxy: TcpProxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy, self._client, self._server = proxy, client, server
        self.is_silent = threading.Event()
        self._loses_next = False

    def requests(self) -> None:
        with suppress(OSError):
            while data := self._client.recv(_CHUNK):
                if self.is_silent.is_set():
                    continue
                self._loses_next = self._loses_next or self._proxy.is_to_lose(data)
                self._server.sendall(data)
        self._end()

    def answers(self) -> None:
        with suppress(OSError):
            while data := self._server.recv(_CHUNK):
                if self.is_silent.is_set():
                    continue
                if self._loses_next:
                    self._proxy.lost += 1
                    break
                self._client.sendall(data)
        self._end()

    def _end(self) -> None:
        if not self.is_silent.is_set():
            self.close()

    def close(self) -> None:
        for half in (self._client, self._server):
            with suppress(OSError):
                half.shutdown(socket.SHUT_RDWR)
            half.close()


@contextmanager
def proxied(target: int | Path) -> Iterator[TcpProxy]:
    """A proxy in front of a port or a socket of this machine."""
    proxy = TcpProxy(target)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join()

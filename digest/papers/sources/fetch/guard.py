"""Watches the connection of a request."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


class ConnectionGuard:
    """Ends a request at its deadline, however slowly bytes arrive, and checks the address that it leads to.

    The address is checked after connecting, because a name can resolve differently the second time.
    """

    def __init__(self, check: Callable[[str], None] | None = None) -> None:
        """`check` raises for an address to which nothing may be sent."""
        self._check = check
        self._stream: Any = None
        self.ended = False

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """The extension "trace" of the request."""
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        self._stream = info["return_value"]
        peer = self._stream.get_extra_info("server_addr")
        if self._check is not None and peer:
            try:
                self._check(str(peer[0]))
            except Exception:
                self._stream.close()
                raise

    @contextmanager
    def ends_after(self, seconds: float) -> Iterator[None]:
        self.ended = False
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self) -> None:
        self.ended = True
        socket = self._stream and self._stream.get_extra_info("socket")
        if socket:
            try:
                socket.shutdown(2)  # interrupts a blocked read, which closing would not
            except OSError:
                return  # the request has ended already

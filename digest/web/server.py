"""The limits of uvicorn: the time that a client may take, and the number of connections."""

import heapq
import math
from typing import Any, ClassVar

import structlog
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from digest.run.processes import file_limit

log = structlog.get_logger()

PEER = "digest.peer"  # of a scope: the address at the other end of the connection, whatever the headers say

_FILES_FOR_OTHERS = 100  # the database, libraries, standard streams


def serving_options() -> dict[str, Any]:
    """The arguments of uvicorn.Config that do not depend on where it listens."""
    files = file_limit()
    return {
        "http": ClientConnection,
        "ws": "none",
        "access_log": False,  # it would log the tokens in subscribers' links; the app logs requests itself
        "log_level": "warning",
        "log_config": None,  # its lines go through our logs
        "proxy_headers": False,  # the app reads them itself, to know its peer as well
        "server_header": False,
        "timeout_keep_alive": 75,  # longer than a proxy keeps an idle connection
        "limit_concurrency": max(files // 2, files - _FILES_FOR_OTHERS),
        "timeout_graceful_shutdown": 20,  # a client that reads slowly does not prevent the end
    }


class ForwardedHeaders(ProxyHeadersMiddleware):
    """Takes the client's address from the headers of trusted proxies, and keeps that of the proxy as PEER."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]
        scope[PEER] = (scope.get("client") or ("",))[0]
        await super().__call__(scope, receive, send)  # type: ignore[arg-type]


class ClientConnection(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """A connection that ends when its client is too slow; uvicorn itself ends only the idle ones."""

    REQUEST_SECONDS: ClassVar[float] = 20.0  # for a whole request, at most 16 kB
    READING_SECONDS: ClassVar[float] = 30.0  # for the next 64 kB of an answer

    since = 0.0  # when the request began, or the last answer ended
    _has_begun = True  # a request; a new connection is for one at once
    _paused_at = math.inf
    _is_ending = False
    _check: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.since = self.loop.time()
        if len(self.connections) >= self.limit_concurrency:
            self._make_room()
        self._check_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self._check.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if not self._has_begun and self.waits_for_request:
            self._has_begun, self.since = True, self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        self._has_begun, self.since = False, self.loop.time()
        super().on_response_complete()

    def pause_writing(self) -> None:
        self._paused_at = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._paused_at = math.inf
        super().resume_writing()

    @property
    def waits_for_request(self) -> bool:
        """True between two requests, and until the headers of one have arrived."""
        return self.cycle is None or self.cycle.response_complete

    def _check_later(self) -> None:
        self._check = self.loop.call_later(self.REQUEST_SECONDS / 4, self._end_if_late)

    def _end_if_late(self) -> None:
        if self._is_ending:  # its last bytes are not taken
            self.transport.abort()
            return
        if self._is_late() and not self.transport.is_closing():
            self.transport.close()
        self._is_ending = self.transport.is_closing()
        self._check_later()

    def _is_late(self) -> bool:
        now = self.loop.time()
        if now - self._paused_at > self.READING_SECONDS:
            return True
        is_incomplete = self._has_begun if self.waits_for_request else self.cycle.more_body
        return is_incomplete and now - self.since > self.REQUEST_SECONDS

    def _make_room(self) -> None:
        """End those that have waited longest without a request; if all are at work, uvicorn answers 503."""
        waiting = [other for other in self.connections if other is not self and other.waits_for_request]
        for other in heapq.nsmallest(len(waiting) // 20 + 1, waiting, key=lambda connection: connection.since):
            other.transport.abort()
            self.connections.discard(other)  # it ends a moment later, and does not count until then
        log.error(
            "too many connections: the longest idle are closed. If these are visitors, raise the limit of open files "
            "(ulimit -n, or LimitNOFILE= in systemd) or run more web processes; otherwise limit clients at your proxy",
            connections=self.limit_concurrency,
            files=file_limit(),
            every=600,
        )

"""Opening a connection: aiosmtplib connects, negotiates TLS, greets and logs in. Which mail server is next."""

import asyncio
import socket
import ssl
import time
from collections.abc import Sequence
from math import inf
from typing import cast

from aiosmtplib import SMTP, SMTPHeloError, SMTPResponseException

from digest.smtp.receipt import Phase, Reply
from digest.smtp.relay import Relay, Security

_PASSED_OVER = 30.0  # seconds


class RelayState:
    """One mail server, and how it went with it lately."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.open = 0  # connections, also those being opened
        self._opened = 0
        self._failed_at = -inf  # monotonic
        self._trust: ssl.SSLContext | None = None

    @property
    def is_avoided(self) -> bool:
        """Whether it could not be reached in the last half minute."""
        return time.monotonic() < self._failed_at + _PASSED_OVER

    @property
    def share(self) -> tuple[float, float]:
        """How much of its weight it carries; the next connection goes where this is least."""
        return self.open / self.relay.weight, self._opened / self.relay.weight

    async def connect(self, seconds: float) -> tuple[asyncio.Transport, bool]:
        """An open connection that is ready for MAIL, and whether it may be pipelined. Raises what aiosmtplib raises."""
        self._opened += 1
        began = time.monotonic()
        client = self._client(seconds)
        try:
            async with asyncio.timeout(seconds):
                await client.connect()
                if client.is_ehlo_or_helo_needed:  # it was said already where TLS or a login needed it
                    await _greet(client)
            transport = cast(asyncio.Transport | None, client.transport)  # uvloop's are none by inheritance
            if transport is None or transport.is_closing():
                raise ConnectionError("it closed the connection after the greeting")
        except BaseException:
            client.close()
            self._failed_at = time.monotonic()
            self._trust = None  # perhaps the certificates of this machine have been renewed
            raise
        if self._failed_at < began:  # not when one that was opened beside it was turned away
            self._failed_at = -inf
        return transport, client.supports_extension("pipelining")

    def _client(self, seconds: float) -> SMTP:
        relay = self.relay
        return SMTP(
            hostname=relay.host,
            port=relay.port,
            username=relay.username or None,
            password=relay.password or None,
            use_tls=relay.security is Security.TLS,
            # True, not None: None would go on in clear text when STARTTLS was stripped from the greeting (RFC 3207).
            start_tls=relay.security is Security.STARTTLS,
            tls_context=None if relay.security is Security.NONE else self._context(),
            timeout=seconds,
            # aiosmtplib would ask the DNS for this machine's full name, which can take half a minute.
            local_hostname=socket.gethostname(),
        )

    def _context(self) -> ssl.SSLContext:
        # Reading the system's certificates takes tens of milliseconds: once, not for each connection.
        if self._trust is None:
            self._trust = ssl.create_default_context()
        return self._trust


class RelayPool:
    """The mail servers that share the mail by weight."""

    def __init__(self, relays: Sequence[Relay]) -> None:
        self._places = [RelayState(relay) for relay in relays]

    @property
    def all_avoided(self) -> bool:
        """Whether none could be reached lately."""
        return all(place.is_avoided for place in self._places)

    def in_order(self) -> list[RelayState]:
        """Where to try the next connection: by weight, those that could not be reached lately last."""
        return sorted(self._places, key=lambda place: (place.is_avoided, *place.share))


async def _greet(client: SMTP) -> None:
    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()


def trouble(relay: Relay, error: BaseException) -> Reply:
    """Why a connection could not be opened; code 0 where the server did not say."""
    where = f"{relay.host}:{relay.port}"
    if isinstance(error, SMTPResponseException):
        return Reply(Phase.SESSION, max(error.code, 0), error.message)
    if isinstance(error, TimeoutError) and not str(error):
        return Reply(Phase.SESSION, 0, f"{where} did not answer in time")
    return Reply(Phase.SESSION, 0, f"{where}: {error or type(error).__name__}")

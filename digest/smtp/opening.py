"""Opens connections: chooses the mail server; aiosmtplib connects, negotiates TLS, greets and logs in."""

import asyncio
import socket
import ssl
import sys
from math import inf
from pathlib import Path
from typing import cast

from aiosmtplib import SMTP, SMTPHeloError

from digest import machine_clock
from digest.smtp.problems import NotConnected
from digest.smtp.relay import Relay, Security

_AVOIDED_SECONDS = 30.0
_LIMIT_SECONDS = 3600.0
_GRACE_SECONDS = 0.2  # for aiosmtplib to tell what it waited for


class RelayState:
    """One mail server, its connections and its last failure."""

    def __init__(self, relay: Relay) -> None:
        self.relay = relay
        self.open = 0  # connections, including those being opened
        self._opened = 0
        self._failed_at = -inf  # monotonic
        self._limit = 0  # messages that the last connection had brought when the server took no more
        self._limit_until = -inf  # monotonic; that many count as the server's limit until then
        self._trust: ssl.SSLContext | None = None

    @property
    def is_avoided(self) -> bool:
        """True for half a minute after connecting failed."""
        return machine_clock.monotonic() < self._failed_at + _AVOIDED_SECONDS

    @property
    def rank(self) -> tuple[bool, float, float]:
        """The next connection goes where this is least: by load relative to weight, an avoided server last."""
        return self.is_avoided, self.open / self.relay.weight, self._opened / self.relay.weight

    @property
    def message_limit(self) -> int:
        """The number of messages that the server takes over a connection, as far as it has shown."""
        return self._limit if machine_clock.monotonic() < self._limit_until else sys.maxsize

    def note_limit(self, messages: int) -> None:
        """Two connections that end after as many messages show a limit; one may have met a restart."""
        if messages == self._limit:
            self._limit_until = machine_clock.monotonic() + _LIMIT_SECONDS
        self._limit = messages

    async def connect(self, seconds: float) -> tuple[asyncio.Transport, bool]:
        """Open a connection that is ready for MAIL. Returns it, and whether it offers PIPELINING.

        Raises NotConnected; otherwise the caller counts `open` down when the connection has ended.
        """
        client = await self.open_client(seconds)
        return cast(asyncio.Transport, client.transport), client.supports_extension("pipelining")

    async def open_client(self, seconds: float) -> SMTP:
        """Open a client that is ready for MAIL. Raises NotConnected, like connect()."""
        self._opened += 1
        began = machine_clock.monotonic()
        self.open += 1
        client = None
        try:
            client = self._client(seconds)
            async with asyncio.timeout(seconds + _GRACE_SECONDS):
                await client.connect()
                if client.is_ehlo_or_helo_needed:  # TLS or a login may have sent it already
                    await _greet(client)
                if self.relay.username:  # not by connect(), which hides the transport of a login that failed
                    await client.login(self.relay.username, self.relay.password)
            transport = cast(asyncio.Transport | None, client.transport)  # uvloop's do not inherit it
            if transport is None or transport.is_closing():
                raise ConnectionError("the server closed the connection after the greeting")
        except BaseException as error:
            if client is not None:
                if transport := cast(asyncio.Transport | None, client.transport):
                    transport.abort()  # close() would wait for the end of TLS, but a probe's loop ends now
                client.close()
            self.open -= 1
            self._failed_at = machine_clock.monotonic()
            self._trust = None  # the certificates of this machine may have been renewed
            if isinstance(error, Exception):
                raise NotConnected(self.relay, error) from error
            raise
        if self._failed_at < began:  # a connection opened at the same time may have been turned away
            self._failed_at = -inf
        return client

    def _client(self, seconds: float) -> SMTP:
        relay = self.relay
        return SMTP(
            hostname=relay.host,
            port=relay.port,
            use_tls=relay.security is Security.TLS,
            # True, not None: None would continue in clear text if STARTTLS was stripped from the greeting (RFC 3207).
            start_tls=relay.security is Security.STARTTLS,
            tls_context=None if relay.security is Security.NONE else self._context(),
            timeout=seconds,
            # aiosmtplib would look up this machine's full name in the DNS, which can take half a minute.
            local_hostname=relay.ehlo_name or socket.gethostname(),
        )

    def _context(self) -> ssl.SSLContext:
        # Reading the system's certificates takes tens of milliseconds: once, not for each connection.
        if self._trust is None:
            self._trust = ssl.create_default_context()
            if file := self.relay.ca_file:
                _trust_also(self._trust, file)
        return self._trust


def _trust_also(context: ssl.SSLContext, authorities: Path) -> None:
    try:
        context.load_verify_locations(authorities)
    except OSError as error:  # ssl.SSLError too, if there is no certificate in it
        reason = "there is no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConnectionError(
            f"the authorities of its certificate cannot be read ({authorities}: {reason}); check DIGEST_SMTP_CA_FILE"
        ) from None


async def _greet(client: SMTP) -> None:
    try:
        await client.ehlo()
    except SMTPHeloError:
        if not client.is_connected:
            raise
        await client.helo()

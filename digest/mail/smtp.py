"""Connections to the mail server (aiosmtplib); the only asynchronous code, on one loop thread of its own.

Comes in: a window of envelopes. Goes out: one receipt for each. A connection that failed, timed out or was cancelled is
closed and never used again.
"""

import asyncio
import contextlib
import itertools
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from digest.mail.message import Envelope, Outcome, Receipt
from digest.mail.receipt import Phase, Reply, broken, receipt
from digest.mail.relay import Relay, Security

# A bare addr-spec that needs no quoting, so that nothing in it can end the path or the command (RFC 5321 §4.1.2).
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+@[A-Za-z0-9.-]+")
T = TypeVar("T")
_START_INPUT = 354
_CLOSING = 421


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. RFC 5321 §4.5.3.2.6: ten minutes for the reply to the final dot; giving up earlier makes doubles."""

    connect: float = 30
    command: float = 300
    final_reply: float = 600
    message: float = 660  # for one message in all, however slowly the server trickles


class Sender:
    """Sends windows of messages over a few connections that it keeps open. Use as a context manager, or close() it."""

    def __init__(
        self,
        relays: Sequence[Relay],
        connections: int = 4,
        messages_per_connection: int = 100,
        timeouts: Timeouts = Timeouts(),
    ) -> None:
        """Raises ValueError without a relay: there is nowhere to send to."""
        if not relays:
            raise ValueError("no mail server is set")
        by_weight = itertools.cycle([relay for relay in relays for _ in range(relay.weight)])
        self._connections = [
            _Connection(next(by_weight), messages_per_connection, timeouts) for _ in range(connections)
        ]
        self._one_window = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp", daemon=True)
        self._thread.start()

    def send(self, window: Sequence[Envelope], now: Callable[[], datetime]) -> list[Receipt]:
        """Send each message once; one receipt for each envelope, in no particular order. Windows take turns."""
        with self._one_window:
            return self._run(_send(self._connections, window, now))

    def close(self) -> None:
        """Say QUIT on every connection and end the thread."""
        if self._loop.is_closed():
            return
        self._run(_quit(self._connections))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()


async def _send(
    connections: Sequence["_Connection"], window: Sequence[Envelope], now: Callable[[], datetime]
) -> list[Receipt]:
    waiting = deque(window)
    receipts: list[Receipt] = []
    at_work = connections[: len(waiting)]
    problems = await asyncio.gather(*(connection.work_through(waiting, receipts, now) for connection in at_work))
    # Every connection failed to open: what nobody began stays with us.
    trouble = next((problem for problem in problems if problem), "no connection")
    receipts.extend(broken(envelope.delivery_id, Phase.SESSION, trouble, now()) for envelope in waiting)
    return receipts


async def _quit(connections: Sequence["_Connection"]) -> None:
    await asyncio.gather(*(connection.quit() for connection in connections))


class _Connection:
    """One connection at a time to one relay; opened when needed, and anew after a failure or its share of messages."""

    def __init__(self, relay: Relay, messages: int, timeouts: Timeouts) -> None:
        self._relay = relay
        self._messages = messages
        self._timeouts = timeouts
        self._client: SMTP | None = None
        self._used = 0

    async def work_through(self, waiting: deque[Envelope], receipts: list[Receipt], now: Callable[[], datetime]) -> str:
        """Send what waits, until nothing does or the server cannot be reached; why it could not, "" if it could."""
        while waiting:
            try:
                client = await self._open()
            except (SMTPException, OSError) as error:
                await self._drop()
                return _in_words(error)
            envelope = waiting.popleft()
            receipts.append(await self._send_one(client, envelope, now))
        return ""

    async def quit(self) -> None:
        if self._client is not None and self._client.is_connected:
            with contextlib.suppress(SMTPException, OSError):  # the server may go first, which is as good
                await self._client.quit(timeout=5)
        await self._drop()

    async def _open(self) -> SMTP:
        if self._client is not None and self._used >= self._messages:
            await self.quit()
        if self._client is None or not self._client.is_connected:
            await self._drop()
            self._client = _client(self._relay, self._timeouts)
            await self._client.connect()
            if self._client.is_ehlo_or_helo_needed:  # it was said already where TLS or a login needed it
                await self._client.ehlo()
            self._used = 0
        return self._client

    async def _drop(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def _send_one(self, client: SMTP, envelope: Envelope, now: Callable[[], datetime]) -> Receipt:
        conversation = _Conversation(client, self._timeouts)
        self._used += 1
        try:
            async with asyncio.timeout(self._timeouts.message):
                reply = await conversation.send(envelope)
        except (SMTPException, OSError, TimeoutError) as error:
            # Whatever was half said on this connection must not be answered to the next message.
            await self._drop()
            return broken(envelope.delivery_id, conversation.phase, _in_words(error), now())
        result = receipt(envelope.delivery_id, reply, now())
        if result.outcome is not Outcome.ACCEPTED:
            await self._reset(client, reply)
        return result

    async def _reset(self, client: SMTP, reply: Reply) -> None:
        if reply.code == _CLOSING or not client.is_connected:
            return await self._drop()
        try:
            await client.rset()
        except (SMTPException, OSError):
            await self._drop()
        return None


class _Conversation:
    """One mail transaction (RFC 5321 §3.3); `phase` tells how far it came when it raises."""

    def __init__(self, client: SMTP, timeouts: Timeouts) -> None:
        self.phase = Phase.MAIL
        self._client = client
        self._timeouts = timeouts

    async def send(self, envelope: Envelope) -> Reply:
        """The reply that decided: the one to the final dot, or the first that was not positive."""
        for phase, command in _commands(envelope):
            self.phase = phase
            code, text = await self._client.execute_command(*command, timeout=self._timeouts.command)
            if code != (_START_INPUT if phase is Phase.DATA else code) or not 200 <= code < 400:
                return Reply(phase, code, text)
        protocol = self._client.protocol
        if protocol is None:
            raise ConnectionError("the connection ended after 354")
        self.phase = Phase.CONTENT
        protocol.write(_stuffed(envelope.message))
        code, text = await protocol.read_response(timeout=self._timeouts.final_reply)
        return Reply(Phase.CONTENT, code, text)


def _commands(envelope: Envelope) -> list[tuple[Phase, tuple[bytes, ...]]]:
    return [
        (Phase.MAIL, (b"MAIL", b"FROM:" + _path(envelope.reverse_path))),
        (Phase.RCPT, (b"RCPT", b"TO:" + _path(envelope.forward_path))),
        (Phase.DATA, (b"DATA",)),
    ]


def _path(address: str) -> bytes:
    if not is_plain_address(address):
        raise ValueError("this address cannot stand in an SMTP command")
    return b"<" + address.encode("ascii") + b">"


def is_plain_address(address: str) -> bool:
    """Whether `address` can stand in an SMTP command as it is, without quoting or SMTPUTF8."""
    return _PLAIN_ADDRESS.fullmatch(address) is not None and len(address) <= 254


def _stuffed(message: bytes) -> bytes:
    """`message` with its leading dots doubled and the final dot added (RFC 5321 §4.5.2)."""
    body = message.replace(b"\r\n.", b"\r\n..")
    return (b"." if body.startswith(b".") else b"") + body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _client(relay: Relay, timeouts: Timeouts) -> SMTP:
    return SMTP(
        hostname=relay.host,
        port=relay.port,
        username=relay.username or None,
        password=relay.password or None,
        use_tls=relay.security is Security.TLS,
        # True, not None: None would go on in clear text when STARTTLS has been stripped from the greeting (RFC 3207).
        start_tls=relay.security is Security.STARTTLS,
        validate_certs=True,
        timeout=timeouts.connect,
        # aiosmtplib would ask the DNS for this machine's full name, which can take half a minute.
        local_hostname=socket.gethostname(),
    )


def _in_words(error: Exception) -> str:
    if isinstance(error, SMTPResponseException):
        return f"{error.code} {error.message}"
    return str(error) or type(error).__name__

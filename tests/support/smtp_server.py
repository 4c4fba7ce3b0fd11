"""A real SMTP server for tests that keeps what it takes, and refuses, defers or hangs up when it is told to."""

import asyncio
import threading
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from digest.run.processes import LOOPBACK


class Phase(StrEnum):
    """Where in the conversation a scripted answer is given."""

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"  # instead of 354
    END = "end"  # after the final dot


HANG_UP = "hang up"  # close the connection without an answer
KEEP_AND_HANG_UP = "keep and hang up"  # after the final dot: take the message, then close without an answer
ANYBODY = "*"


@dataclass(frozen=True)
class Taken:
    """One message that the server took responsibility for."""

    mail_from: str
    rcpt_tos: tuple[str, ...]
    content: bytes


@dataclass
class SmtpServer:
    """Listens on a free port. `taken` holds what it accepted, in order; `connections` counts greetings, `attempts`
    the mails that somebody tried to hand over.
    """

    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    attempts: int = 0
    port: int = 0
    pipelining: bool = True  # offered

    def __post_init__(self) -> None:
        self._script: dict[tuple[Phase, str], deque[str]] = {}
        self._always: dict[tuple[Phase, str], str] = {}
        self._sessions: set[_Session] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="smtp-server", daemon=True)

    @property
    def url(self) -> str:
        """For DIGEST_SMTP_URL."""
        return f"smtp://{LOOPBACK}:{self.port}"

    def taken_for(self, recipient: str) -> list[Taken]:
        """What was accepted for one address, in order."""
        return [message for message in self.taken if recipient in message.rcpt_tos]

    def answer(self, phase: Phase, *replies: str, to: str = ANYBODY) -> None:
        """Give these replies, one each time, at `phase` of mails to the address `to`; then go on as usual."""
        self._script.setdefault((phase, to), deque()).extend(replies)

    def always(self, phase: Phase, reply: str, to: str = ANYBODY) -> None:
        """Give this reply every time."""
        self._always[phase, to] = reply

    def behave(self) -> None:
        """Forget every scripted answer."""
        self._script.clear()
        self._always.clear()

    def start(self) -> None:
        """Listen; on the port of last time when there was one."""
        if not self._thread.is_alive():
            self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)

    def stop(self) -> None:
        """Stop listening and end every connection. It can be started again on the same port."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    def end(self) -> None:
        """Stop for good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # What the session asks.

    def reply(self, phase: Phase, recipients: list[str]) -> str | None:
        """The scripted reply, if there is one."""
        for recipient in (*recipients, ANYBODY):
            waiting = self._script.get((phase, recipient))
            if waiting:
                return waiting.popleft()
            if (phase, recipient) in self._always:
                return self._always[phase, recipient]
        return None

    def joined(self, session: "_Session") -> None:
        self.connections += 1
        self._sessions.add(session)

    def left(self, session: "_Session") -> None:
        self._sessions.discard(session)

    async def _listen(self) -> None:
        self._server = await self._loop.create_server(lambda: _Session(self, self._loop), LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        for session in list(self._sessions):
            if session.transport is not None:
                session.transport.abort()
        await self._server.wait_closed()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Session(SMTP):
    """One connection."""

    def __init__(self, server: SmtpServer, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(_Handler(server, self), hostname="mail.localhost", enable_SMTPUTF8=True, loop=loop)
        self._ours = server

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._ours.joined(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._ours.left(self)

    async def smtp_DATA(self, arg: str) -> None:
        """Before 354, where the library has no hook."""
        recipients = list(self.envelope.rcpt_tos) if self.envelope else []
        reply = self._ours.reply(Phase.DATA, recipients) if recipients else None
        if reply is None:
            await super().smtp_DATA(arg)
        elif reply == HANG_UP:
            self.hang_up()
        else:
            await self.push(reply)

    def hang_up(self) -> None:
        if self.transport is not None:
            self.transport.close()


class _Handler:
    """The library's hooks for one connection."""

    def __init__(self, server: SmtpServer, session: _Session) -> None:
        self._server = server
        self._session = session

    async def handle_EHLO(
        self, _smtp: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return ["250-PIPELINING", *responses] if self._server.pipelining else responses

    async def handle_MAIL(self, _smtp: SMTP, _session: Session, envelope: Envelope, address: str, options: Any) -> str:
        self._server.attempts += 1
        reply = self._scripted(Phase.MAIL, [])
        if reply is None:
            envelope.mail_from = address
            envelope.mail_options.extend(options)
        return reply or "250 2.1.0 sender taken"

    async def handle_RCPT(self, _smtp: SMTP, _session: Session, envelope: Envelope, address: str, options: Any) -> str:
        reply = self._scripted(Phase.RCPT, [address])
        if reply is None or reply.startswith("2"):
            envelope.rcpt_tos.append(address)
            envelope.rcpt_options.extend(options)
        return reply or "250 2.1.5 recipient taken"

    async def handle_DATA(self, _smtp: SMTP, _session: Session, envelope: Envelope) -> str:
        reply = self._scripted(Phase.END, envelope.rcpt_tos)
        if reply is None or reply == KEEP_AND_HANG_UP or reply.startswith("2"):
            content = envelope.original_content or b""
            self._server.taken.append(Taken(envelope.mail_from or "", tuple(envelope.rcpt_tos), content))
        return reply or "250 2.0.0 taken"

    def _scripted(self, phase: Phase, recipients: list[str]) -> str | None:
        reply = self._server.reply(phase, recipients)
        if reply in (HANG_UP, KEEP_AND_HANG_UP):
            self._session.hang_up()
        return reply

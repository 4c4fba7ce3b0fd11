"""An SMTP server for tests that follows the protocol until it is told what to do wrong, and when."""

import asyncio
import os
import socket
import ssl
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from digest.run.processes import LOOPBACK

ANYONE = "*"


class Step(StrEnum):
    """A point in the conversation."""

    CONNECT = "connect"
    EHLO = "ehlo"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"  # after 354, before the content is read
    END = "end"  # after the final dot
    RSET = "rset"
    QUIT = "quit"


class Then(StrEnum):
    """What follows an act."""

    CONTINUE = "continue"
    HANG_UP = "hang up"
    RESET = "reset"  # the connection, as a crashed machine or a firewall does


@dataclass(frozen=True)
class Act:
    """The server's behaviour at a step. `reply`: None for the usual reply, "" for no reply."""

    reply: str | None = None
    wait: float = 0.0  # seconds before the reply
    drip: float = 0.0  # seconds between its bytes
    then: Then = Then.CONTINUE
    keep: bool | None = None  # the message; None: if the reply accepts it


HANG_UP = Act(reply="", then=Then.HANG_UP)
RESET = Act(reply="", then=Then.RESET)
SILENT = Act(reply="")
KEEP_AND_HANG_UP = Act(reply="", then=Then.HANG_UP, keep=True)


@dataclass(frozen=True)
class Taken:
    """One message that the server took responsibility for."""

    mail_from: str
    rcpt_tos: tuple[str, ...]
    content: bytes


@dataclass
class SmtpServer:
    """Listens on a free port, on a thread of its own. Usable as a context manager."""

    pipelining: bool = True
    whole: bool = True  # replies are sent in one piece, else byte by byte
    tls: ssl.SSLContext | None = None  # from the first byte
    starttls: ssl.SSLContext | None = None
    auth: bool = False
    nobody: str = "554 5.5.1 no valid recipients"  # to DATA without one
    limit: int = 0  # messages that a connection may bring; 0: any number
    over_limit: Act = Act("421 4.7.0 too many messages for one connection")
    limited_at: Step = Step.MAIL
    taken: list[Taken] = field(default_factory=list)  # in order
    commands: list[str] = field(default_factory=list)  # received, in order
    connections: int = 0
    at_once: int = 0  # the most connections at a time
    port: int = 0

    def __post_init__(self) -> None:
        self._script: dict[tuple[Step, str], deque[Act]] = {}
        self._always: dict[tuple[Step, str], Act] = {}
        self._open: set[asyncio.Task[None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def url(self) -> str:
        """For DIGEST_SMTP_URL."""
        return f"smtp://{LOOPBACK}:{self.port}"

    def answer(self, step: Step, *acts: Act | str, to: str = ANYONE) -> None:
        """Do these acts or give these replies, one each time, at `step` of messages to `to`; then continue as usual."""
        self._script.setdefault((step, to), deque()).extend(map(_act, acts))

    def always(self, step: Step, act: Act | str, to: str = ANYONE) -> None:
        """Do this, or give this reply, every time."""
        self._always[step, to] = _act(act)

    def behave(self) -> None:
        """Forget all scripted acts."""
        self._script.clear()
        self._always.clear()

    def taken_for(self, recipient: str) -> list[Taken]:
        """The messages accepted for an address, in order."""
        return [message for message in self.taken if recipient in message.rcpt_tos]

    def count(self, verb: str) -> int:
        """The number of times that a command was received."""
        return sum(line.upper().startswith(verb) for line in self.commands)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def start(self) -> None:
        """Listen; on the same port as before, if there was one."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="smtp-server", daemon=True)
            self._thread.start()
        asyncio.run_coroutine_threadsafe(self.listen(), self._loop).result(10)

    def stop(self) -> None:
        """Stop listening and end every connection. It can be started again."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)

    def end(self) -> None:
        """Stop for good."""
        self.stop()
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._loop = None

    def hang_up(self) -> None:
        """End every connection that is open now."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._end_all(), self._loop).result(10)
        time.sleep(0.1)  # until the clients have seen it

    # --- called by connections ---

    def act(self, step: Step, to: str) -> Act:
        """What to do now."""
        for name in (to, ANYONE):
            if self._script.get((step, name)):
                return self._script[step, name].popleft()
            if (step, name) in self._always:
                return self._always[step, name]
        return Act()

    def keep(self, message: Taken, act: Act) -> None:
        """Take responsibility for a message, before the reply that `act` gives."""
        self.taken.append(message)

    # --- connections ---

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port, ssl=self.tls, backlog=1000)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, subscriber: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self._open.add(task)
        self.at_once = max(self.at_once, len(self._open))
        conversation = _Conversation(self, subscriber, writer)
        try:
            with suppress(_Over, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await conversation.run()
        finally:
            self._open.discard(task)
            writer.transport.abort()

    async def _end_all(self) -> None:
        tasks = list(self._open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self) -> None:
        self._server.close()
        await self._end_all()
        await self._server.wait_closed()


def _act(act: Act | str) -> Act:
    return Act(reply=act) if isinstance(act, str) else act


class _Over(Exception):
    """The conversation has ended."""


class _Conversation:
    """One connection."""

    def __init__(self, server: SmtpServer, subscriber: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.subscriber = subscriber
        self.writer = writer
        self.encrypted = server.tls is not None
        self._forget()

    async def run(self) -> None:
        self._brought = 0
        await self._do(Step.CONNECT, "220 mail.localhost ready")
        while line := (await self.subscriber.readline()).decode("latin-1").strip():
            self.server.commands.append(line)
            await self._obey(line[:4].upper(), line)

    async def _obey(self, verb: str, line: str) -> None:
        match verb:
            case "EHLO" | "HELO":
                await self._do(Step.EHLO, self._features())
            case "STAR":
                await self._encrypt()
            case "AUTH":
                await self._do(Step.AUTH, "235 2.7.0 welcome")
            case "MAIL":
                await self._mail(line)
            case "RCPT":
                await self._rcpt(line)
            case "DATA":
                await self._data()
            case "RSET":
                self._forget()
                await self._do(Step.RSET, "250 2.0.0 reset")
            case "NOOP":
                await self._send("250 2.0.0 ok")
            case "QUIT":
                await self._do(Step.QUIT, "221 2.0.0 bye")
                raise _Over
            case _:
                await self._send("500 5.5.2 unknown command")

    def _features(self) -> str:
        words = ["mail.localhost"]
        if self.server.pipelining:
            words.append("PIPELINING")
        if self.server.starttls is not None and not self.encrypted:
            words.append("STARTTLS")
        if self.server.auth:
            words.append("AUTH PLAIN")
        words.append("8BITMIME")
        return "".join(f"250-{word}\r\n" for word in words[:-1]) + f"250 {words[-1]}"

    async def _encrypt(self) -> None:
        if self.server.starttls is None:
            return await self._send("502 5.5.1 no")
        await self._send("220 2.0.0 go ahead")
        self.encrypted = True
        await self.writer.start_tls(self.server.starttls)
        return None

    async def _mail(self, line: str) -> None:
        if self._sender is not None:
            return await self._send("503 5.5.1 nested MAIL")
        self._brought += 1
        if (await self._do(Step.MAIL, "250 2.1.0 ok")).startswith("2"):
            self._sender = _path(line)
        return None

    async def _rcpt(self, line: str) -> None:
        self._recipient = _path(line)
        if self._sender is None:
            return await self._send("503 5.5.1 need MAIL")
        if (await self._do(Step.RCPT, "250 2.1.5 ok")).startswith("2"):
            self._recipients.append(self._recipient)
        return None

    async def _data(self) -> None:
        usual = "354 go ahead" if self._recipients else self.server.nobody
        if self._sender is None:
            usual = "503 5.5.1 need MAIL"
        if (await self._do(Step.DATA, usual)).startswith("354"):
            await self._do(Step.BODY, "")
            await self._take(await self._content())

    async def _content(self) -> bytes:
        """Read to the final dot, and remove the dots that RFC 5321 §4.5.2 put before those at the start of a line."""
        content = bytearray(await self.subscriber.readline())
        while content != b".\r\n" and not content.endswith(b"\r\n.\r\n"):
            try:
                content += await self.subscriber.readuntil(b".\r\n")
            except asyncio.LimitOverrunError as error:
                content += await self.subscriber.readexactly(error.consumed)
        return (b"\r\n" + content[:-3]).replace(b"\r\n.", b"\r\n")[2:]

    async def _take(self, content: bytes) -> None:
        act = self.server.act(Step.END, self._recipient)
        reply = "250 2.0.0 taken" if act.reply is None else act.reply
        if act.keep if act.keep is not None else reply.startswith("2"):
            self.server.keep(Taken(self._sender or "", tuple(self._recipients), content), act)
        self._forget()
        await self._perform(act, reply)

    def _forget(self) -> None:
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._recipient = ANYONE  # of the last RCPT

    async def _do(self, step: Step, usual: str) -> str:
        act = self.server.act(step, self._recipient)
        if 0 < self.server.limit < self._brought and step is self.server.limited_at:
            act = self.server.over_limit
        reply = usual if act.reply is None else act.reply
        await self._perform(act, reply)
        return reply

    async def _perform(self, act: Act, reply: str) -> None:
        if act.wait:
            await asyncio.sleep(act.wait)
        if reply:
            await self._send(reply, act.drip)
        if act.then is Then.RESET:
            self._reset()
        if act.then is not Then.CONTINUE or reply.startswith("421"):
            raise _Over

    def _reset(self) -> None:
        # SO_LINGER with a time of zero: RST instead of FIN. A copy of the socket, because uvloop's has no options.
        handle = self.writer.get_extra_info("socket").fileno()
        with socket.socket(fileno=os.dup(handle)) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def _send(self, reply: str, drip: float = 0.0) -> None:
        data = reply.encode() + b"\r\n"
        if self.server.whole and not drip:
            self.writer.write(data)
            await self.writer.drain()
            return
        for index in range(len(data)):
            self.writer.write(data[index : index + 1])
            await self.writer.drain()
            await asyncio.sleep(drip)


def _path(command: str) -> str:
    """The address between angle brackets."""
    return command.partition("<")[2].partition(">")[0]

"""A small SMTP server for tests that follows the protocol, until it is told what to do wrong, and when."""

import asyncio
import socket
import ssl
import struct
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from digest.run.processes import LOOPBACK

ANYBODY = "*"


class Step(StrEnum):
    """Where in the conversation."""

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
    """And then."""

    GO_ON = "go on"
    HANG_UP = "hang up"
    RESET = "reset"  # the connection, as a crashed machine or a firewall does


@dataclass(frozen=True)
class Act:
    """What the server does at a step. `say`: None for the usual reply, "" for none."""

    say: str | None = None
    wait: float = 0.0  # seconds before it says it
    drip: float = 0.0  # seconds between its bytes
    then: Then = Then.GO_ON
    keep: bool | None = None  # the message; None: as the reply says


def says(reply: str) -> Act:
    """Another reply than the usual one."""
    return Act(say=reply)


HANGS_UP = Act(say="", then=Then.HANG_UP)
RESETS = Act(say="", then=Then.RESET)
SILENT = Act(say="")


@dataclass
class RawSmtp:
    """Listens on a free port, as a context manager. What it took responsibility for is in `taken`, in order."""

    pipelining: bool = True
    whole: bool = True  # replies in one piece; else byte by byte
    tls: ssl.SSLContext | None = None  # from the first byte
    starttls: ssl.SSLContext | None = None
    auth: bool = False
    nobody: str = "554 5.5.1 no valid recipients"  # to DATA without one
    taken: list[tuple[tuple[str, ...], bytes]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)  # commands, in order
    connections: int = 0
    at_once: int = 0  # the most connections at a time
    port: int = 0

    def __post_init__(self) -> None:
        self._once: dict[tuple[Step, str], deque[Act]] = {}
        self._always: dict[tuple[Step, str], Act] = {}
        self.open: set[asyncio.Task[None]] = set()

    def once(self, step: Step, *acts: Act, to: str = ANYBODY) -> None:
        """Do these, one each time, at `step` (of mails to `to`); then go on as usual."""
        self._once.setdefault((step, to), deque()).extend(acts)

    def always(self, step: Step, act: Act, to: str = ANYBODY) -> None:
        """Do this every time."""
        self._always[step, to] = act

    def act(self, step: Step, to: str) -> Act:
        """What to do now."""
        for name in (to, ANYBODY):
            if self._once.get((step, name)):
                return self._once[step, name].popleft()
            if (step, name) in self._always:
                return self._always[step, name]
        return Act()

    def behave(self) -> None:
        """Forget what was told."""
        self._once.clear()
        self._always.clear()

    def taken_for(self, recipient: str) -> list[bytes]:
        """The contents that it took for one address."""
        return [content for recipients, content in self.taken if recipient in recipients]

    def said(self, verb: str) -> int:
        """How often a command was said."""
        return sum(line.upper().startswith(verb) for line in self.heard)

    def __enter__(self) -> "RawSmtp":
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="raw-smtp", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_about: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def hang_up(self) -> None:
        """End every connection that is open now."""
        asyncio.run_coroutine_threadsafe(self._end_all(), self._loop).result(10)
        time.sleep(0.1)  # until the clients have seen it

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections += 1
        self.open.add(task)
        self.at_once = max(self.at_once, len(self.open))
        talk = _Talk(self, reader, writer)
        try:
            with suppress(_Over, OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await talk.converse()
        finally:
            self.open.discard(task)
            talk.writer.transport.abort()

    async def _end_all(self) -> None:
        tasks = list(self.open)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _close(self) -> None:
        self._server.close()
        await self._end_all()
        await self._server.wait_closed()


class _Over(Exception):
    """The conversation."""


class _Talk:
    """One connection."""

    def __init__(self, server: RawSmtp, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.server = server
        self.reader = reader
        self.writer = writer
        self.encrypted = server.tls is not None
        self._sender = ""
        self._recipients: list[str] = []
        self._tried = ANYBODY

    async def converse(self) -> None:
        await self._do(Step.CONNECT, "220 mail.localhost ready")
        while line := (await self.reader.readline()).decode("latin-1").strip():
            self.server.heard.append(line)
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
            case "QUIT":
                await self._do(Step.QUIT, "221 2.0.0 bye")
                raise _Over
            case _:
                await self._say("500 5.5.2 what")

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
            return await self._say("502 5.5.1 no")
        await self._say("220 2.0.0 go on")
        self.encrypted = True
        await self.writer.start_tls(self.server.starttls)
        return None

    async def _mail(self, line: str) -> None:
        if self._sender:
            return await self._say("503 5.5.1 nested MAIL")
        reply = await self._do(Step.MAIL, "250 2.1.0 ok")
        self._sender = line if reply.startswith("2") else ""
        return None

    async def _rcpt(self, line: str) -> None:
        self._tried = line.partition("<")[2].rstrip(">")
        if not self._sender:
            return await self._say("503 5.5.1 need MAIL")
        if (await self._do(Step.RCPT, "250 2.1.5 ok")).startswith("2"):
            self._recipients.append(self._tried)
        return None

    async def _data(self) -> None:
        usual = "354 go on" if self._recipients else self.server.nobody
        if not self._sender:
            usual = "503 5.5.1 need MAIL"
        if (await self._do(Step.DATA, usual)).startswith("354"):
            await self._do(Step.BODY, "")
            await self._content()

    async def _content(self) -> None:
        lines = []
        while (line := await self.reader.readline()) != b".\r\n":
            if not line:
                raise _Over
            lines.append(line[1:] if line.startswith(b".") else line)
        content = b"".join(lines)
        act = self.server.act(Step.END, self._tried)
        reply = "250 2.0.0 taken" if act.say is None else act.say
        if act.keep if act.keep is not None else reply.startswith("2"):
            self.server.taken.append((tuple(self._recipients), content))
        self._forget()
        await self._perform(act, reply)

    def _forget(self) -> None:
        self._sender = ""
        self._recipients = []
        self._tried = ANYBODY

    async def _do(self, step: Step, usual: str) -> str:
        act = self.server.act(step, self._tried)
        reply = usual if act.say is None else act.say
        await self._perform(act, reply)
        return reply

    async def _perform(self, act: Act, reply: str) -> None:
        if act.wait:
            await asyncio.sleep(act.wait)
        if reply:
            await self._say(reply, act.drip)
        if act.then is Then.RESET:
            no_goodbye = struct.pack("ii", 1, 0)  # SO_LINGER with a time of zero: RST instead of FIN
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_goodbye)
            self.writer.transport.abort()
        if act.then is not Then.GO_ON or reply.startswith("421"):
            raise _Over

    async def _say(self, reply: str, drip: float = 0.0) -> None:
        data = reply.encode() + b"\r\n"
        if self.server.whole and not drip:
            self.writer.write(data)
            await self.writer.drain()
            return
        for place in range(len(data)):
            self.writer.write(data[place : place + 1])
            await self.writer.drain()
            await asyncio.sleep(drip)

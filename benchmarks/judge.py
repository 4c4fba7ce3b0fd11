"""A mail server that only judges: it notes each message it takes responsibility for, before it answers 250.

`python -m benchmarks.judge --port PORT --log FILE` speaks ESMTP with PIPELINING and 8BITMIME (RFC 5321, RFC 2920),
keeps no mail, and appends one line a message (verdict.py reads them). It can be slow, and it can hang up after the
final dot. From SIGUSR1 on it answers without delay; each SIGUSR2 makes the delay five times as long.
"""

import argparse
import asyncio
import hashlib
import os
import random
import re
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.verdict import Taken, as_line

_PATH = re.compile(rb":\s*<([^<>]*)>")
_UNSUBSCRIBE = re.compile(rb"(?im)^List-Unsubscribe:[^<]*<[^<>]*/u/([A-Za-z0-9_-]+)>")
_TO = re.compile(rb"(?im)^To:\s*([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)")
_MESSAGE_ID = re.compile(rb"(?im)^Message-ID:\s*<([^<>]*)>")
_GREETING = b"220 judge ESMTP\r\n"
_ABILITIES = b"250-judge\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES\r\n"
_DOT = b"\r\n.\r\n"


@dataclass
class Manner:
    """How the server treats what it takes."""

    delay: float = 0.0  # seconds between taking a message and answering
    reset: float = 0.0  # share of the messages that are taken, and the connection reset instead of an answer
    defer: float = 0.0  # share of the messages that are answered 451, and not taken
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    def hurry(self) -> None:
        """Without delay from now on."""
        self.delay = 0.0

    def linger(self) -> None:
        """Five times as slow from now on."""
        self.delay *= 5


class Log:
    """The lines of what was taken; each is in the file before the answer goes out."""

    def __init__(self, file: Path) -> None:
        self._fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def note(self, taken: Taken) -> None:
        """Append one line."""
        os.write(self._fd, as_line(taken).encode())


class Session(asyncio.Protocol):
    """One connection. Commands are answered in their order, however many arrive at once."""

    def __init__(self, log: Log, manner: Manner) -> None:
        self._log = log
        self._manner = manner
        self._buffer = bytearray()
        self._seen = 0  # so much of the buffer holds no end of the content
        self._in_content = False
        self._busy = False  # an answer is held back: what comes after it waits
        self._recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._transport.write(_GREETING)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while not self._busy and not self._transport.is_closing():
            if not (self._take_content() if self._in_content else self._take_command()):
                return

    def _take_command(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        self._answer(line)
        return True

    def _answer(self, line: bytes) -> None:
        verb = line[:4].upper()
        path = _PATH.search(line)
        if verb == b"RCPT" and path:
            self._recipients.append(path[1].decode("utf-8", "replace"))
            self._transport.write(b"250 2.1.5 ok\r\n")
        elif verb == b"DATA":
            self._in_content, self._seen = bool(self._recipients), 0
            self._transport.write(b"354 go on\r\n" if self._recipients else b"503 5.5.1 nobody to send to\r\n")
        elif verb == b"EHLO":
            self._transport.write(_ABILITIES)
        elif verb == b"QUIT":
            self._transport.write(b"221 2.0.0 bye\r\n")
            self._transport.close()
        elif verb in (b"MAIL", b"RSET"):
            self._recipients = []
            self._transport.write(b"250 2.0.0 ok\r\n")
        elif verb in (b"HELO", b"NOOP"):
            self._transport.write(b"250 2.0.0 ok\r\n")
        else:
            self._transport.write(b"500 5.5.2 not known here\r\n")

    def _take_content(self) -> bool:
        # The dot may be alone on the very first line (RFC 5321 §4.1.1.4).
        if self._buffer.startswith(b".\r\n"):
            content, after = b"", 3
        else:
            end = self._buffer.find(_DOT, self._seen)
            if end < 0:
                self._seen = max(0, len(self._buffer) - len(_DOT) + 1)
                return False
            content, after = bytes(self._buffer[: end + 2]), end + len(_DOT)
        del self._buffer[:after]
        self._in_content = False
        self._decide(undotted(content))
        return True

    def _decide(self, content: bytes) -> None:
        manner = self._manner
        if manner.defer and manner.dice.random() < manner.defer:
            self._transport.write(b"451 4.3.0 not now\r\n")
            return
        reset = bool(manner.reset) and manner.dice.random() < manner.reset
        self._log.note(read_message(self._recipients, content, answered=not reset))
        if reset:
            self._transport.abort()
        elif manner.delay:
            self._busy = True
            asyncio.get_running_loop().call_later(manner.delay, self._answer_late)
        else:
            self._transport.write(b"250 2.0.0 taken\r\n")

    def _answer_late(self) -> None:
        self._busy = False
        if not self._transport.is_closing():
            self._transport.write(b"250 2.0.0 taken\r\n")
            self._go_on()


def undotted(content: bytes) -> bytes:
    """The content as it was before RFC 5321 §4.5.2 put dots in front of its lines that begin with one."""
    if content.startswith(b"."):
        content = content[1:]
    return content.replace(b"\r\n..", b"\r\n.")


def read_message(recipients: list[str], content: bytes, answered: bool) -> Taken:
    """What the log keeps of one message."""
    header = content[: content.find(b"\r\n\r\n") + 2]
    return Taken(
        at=time.time(),
        recipients=",".join(recipients),
        message_id=_found(_MESSAGE_ID, header),
        sha256=hashlib.sha256(content).hexdigest(),
        to=_found(_TO, header),
        token=_found(_UNSUBSCRIBE, header),
        size=len(content),
        answered=answered,
    )


def _found(pattern: re.Pattern[bytes], header: bytes) -> str:
    match = pattern.search(header)
    return match[1].decode("utf-8", "replace").strip() if match else ""


async def serve(port: int, log: Log, manner: Manner) -> None:
    """Listen on `port` of this machine until SIGTERM or SIGINT."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    loop.add_signal_handler(signal.SIGUSR1, manner.hurry)
    loop.add_signal_handler(signal.SIGUSR2, manner.linger)
    server = await loop.create_server(lambda: Session(log, manner), "127.0.0.1", port, backlog=1000)
    await end.wait()
    server.close()


def main() -> None:
    """The command line."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    ask.add_argument("--port", type=int, required=True, help="port of 127.0.0.1 to listen on")
    ask.add_argument("--log", type=Path, required=True, help="file to append the lines to")
    ask.add_argument("--delay", type=float, default=0.0, help="seconds between taking a message and answering")
    ask.add_argument("--reset", type=float, default=0.0, help="share of the messages answered by a reset, 0 to 1")
    ask.add_argument("--defer", type=float, default=0.0, help="share of the messages answered 451, 0 to 1")
    ask.add_argument("--seed", type=int, default=1, help="of the dice")
    asked = ask.parse_args()
    manner = Manner(asked.delay, asked.reset, asked.defer, random.Random(asked.seed))
    uvloop.run(serve(asked.port, Log(asked.log), manner))


if __name__ == "__main__":
    main()

"""An SMTP server that records each message before it replies 250.

`python -m benchmarks.recording_server --port PORT --log FILE` keeps no message, and appends one line for each
(report.py reads them). It can be slow, and reset the connection after the final dot. SIGUSR1 ends the delay of its
replies; each SIGUSR2 makes the delay five times as long.
"""

import argparse
import asyncio
import hashlib
import os
import re
import signal
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import uvloop

from benchmarks.report import LogLine, as_line
from tests.support.smtp_server import RESET, Act, SmtpServer, Step, Taken, Then

_UNSUBSCRIBE = re.compile(rb"(?im)^List-Unsubscribe:[^<]*<[^<>]*/u/([A-Za-z0-9_-]+)>")
_TO = re.compile(rb"(?im)^To:\s*([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)")
_MESSAGE_ID = re.compile(rb"(?im)^Message-ID:\s*<([^<>]*)>")


@dataclass
class RecordingServer(SmtpServer):
    """Each line is in the log before the reply is sent."""

    log: Path = Path("taken.tsv")
    delay: float = 0.0  # seconds between taking a message and the reply
    reset: float = 0.0  # share of the messages that are taken, and the connection reset instead of a reply
    defer: float = 0.0  # share of the messages that get 451 and are not taken
    chance: Random = field(default_factory=lambda: Random(1))

    def __post_init__(self) -> None:
        super().__post_init__()
        self._log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def act(self, step: Step, to: str) -> Act:
        if step is not Step.END:
            return super().act(step, to)
        if self.defer and self.chance.random() < self.defer:
            return Act(reply="451 4.3.0 not now")
        if self.reset and self.chance.random() < self.reset:
            return replace(RESET, keep=True)
        return Act(wait=self.delay)

    def keep(self, message: Taken, act: Act) -> None:
        self.commands.clear()
        line = log_line(message, is_answered=act.then is not Then.RESET)
        os.write(self._log, as_line(line).encode())

    def hurry(self) -> None:
        """Reply without delay from now on."""
        self.delay = 0.0

    def slow_down(self) -> None:
        """Take five times as long to reply from now on."""
        self.delay *= 5

    async def serve(self) -> None:
        """Listen until SIGTERM or SIGINT."""
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end.set)
        loop.add_signal_handler(signal.SIGUSR1, self.hurry)
        loop.add_signal_handler(signal.SIGUSR2, self.slow_down)
        await self.listen()
        await end.wait()


def log_line(message: Taken, is_answered: bool) -> LogLine:
    content = message.content
    header = content[: content.find(b"\r\n\r\n") + 2]
    return LogLine(
        at=time.time(),
        recipients=",".join(message.rcpt_tos),
        message_id=_value(_MESSAGE_ID, header),
        sha256=hashlib.sha256(content).hexdigest(),
        to=_value(_TO, header),
        token=_value(_UNSUBSCRIBE, header),
        size=len(content),
        answered=is_answered,
    )


def _value(pattern: re.Pattern[bytes], header: bytes) -> str:
    match = pattern.search(header)
    return match[1].decode("utf-8", "replace").strip() if match else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--port", type=int, required=True, help="port of 127.0.0.1 to listen on")
    parser.add_argument("--log", type=Path, required=True, help="file to append the lines to")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds between taking a message and the reply")
    parser.add_argument("--reset", type=float, default=0.0, help="share of messages answered by a reset, 0 to 1")
    parser.add_argument("--defer", type=float, default=0.0, help="share of messages answered 451, 0 to 1")
    parser.add_argument("--seed", type=int, default=1, help="of the random choices")
    options = parser.parse_args()
    server = RecordingServer(
        port=options.port,
        log=options.log,
        delay=options.delay,
        reset=options.reset,
        defer=options.defer,
        chance=Random(options.seed),
    )
    uvloop.run(server.serve())


if __name__ == "__main__":
    main()

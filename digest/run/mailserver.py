"""A local mail server that stores every message in a Maildir and relays nothing.

`python -m digest.run.mailserver --port PORT --dir FOLDER`
"""

import asyncio
import mailbox
import signal
from pathlib import Path
from typing import Annotated

import typer
from aiosmtpd.smtp import SMTP, Envelope, Session

from digest.run.processes import LOOPBACK


class MaildirHandler:
    def __init__(self, folder: Path) -> None:
        self._maildir = mailbox.Maildir(folder, create=True)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        key = self._maildir.add(envelope.original_content or b"")
        return f"250 2.0.0 kept as {key}"


async def serve(port: int, folder: Path) -> None:
    """Listen on `port` of this machine until SIGTERM or SIGINT."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    handler = MaildirHandler(folder)
    server = await loop.create_server(
        lambda: SMTP(handler, hostname="localhost", enable_SMTPUTF8=True, loop=loop), LOOPBACK, port
    )
    await end.wait()
    server.close()


def main(port: Annotated[int, typer.Option()], folder: Annotated[Path, typer.Option("--dir")]) -> None:
    """A local mail server that stores every message in a Maildir."""
    asyncio.run(serve(port, folder))


if __name__ == "__main__":
    typer.run(main)

"""An LMTP server (RFC 2033) that accepts delivery reports from Postfix and the like on this machine."""

import asyncio
import signal
from collections.abc import Callable

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

_MAX_BYTES = 10_000_000  # of a message

Take = Callable[[bytes, str], object]  # a message and its envelope recipient; raises if the message was not processed


class ReportHandler:
    """Replies 250 once a message is processed, and 451 if that failed, so that the mail server tries again."""

    def __init__(self, take: Take) -> None:
        self._take = take

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's hooks are named after SMTP commands
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if envelope.rcpt_tos:  # LMTP answers DATA for each recipient, which aiosmtpd does not
            return "452 4.5.3 one recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        try:
            await asyncio.to_thread(self._take, envelope.original_content or b"", envelope.rcpt_tos[0])
        except Exception as problem:  # noqa: BLE001 - no error may lose the message
            return f"451 4.3.0 not processed: {type(problem).__name__}"
        return "250 2.0.0 processed"


async def serve(host: str, port: int, take: Take, started: Callable[[int], object]) -> None:
    """Listen until SIGTERM or SIGINT; `started` gets the port, any free port for 0."""
    loop, end = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end.set)
    handler = ReportHandler(take)
    server = await loop.create_server(
        lambda: LMTP(handler, hostname="digest", enable_SMTPUTF8=True, data_size_limit=_MAX_BYTES, loop=loop),
        host,
        port,
    )
    started(server.sockets[0].getsockname()[1])
    await end.wait()
    server.close()

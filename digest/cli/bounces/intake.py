"""The commands bounces receive, bounces collect and bounces lmtp: intake of reports by email."""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import open_database
from digest.cli.options import DryRun
from digest.cli.output import NotReady, complain, progress, report, with_json
from digest.settings import settings

if TYPE_CHECKING:
    from digest.bounces.effects import Acceptance
    from digest.bounces.intake.taking import Taker

_TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h: the caller keeps the message and tries again

Recipient = Annotated[
    str, typer.Option("--recipient", help="Envelope recipient of the message, such as ${original_recipient}.")
]


@with_json
def receive(recipient: Recipient = "", dry_run: DryRun = False) -> None:
    """Process one message from stdin, for an alias in Postfix or Exim. Exit code 75 makes them retry."""
    from digest.bounces.reading import read
    from digest.bounces.reading.opened import MAX_MESSAGE

    message = sys.stdin.buffer.read(MAX_MESSAGE)
    if dry_run:
        kinds = [each.kind.value for each in read(message, return_path=recipient or None)]
        return report({"kinds": kinds, "dry_run": True}, f"Would process it as: {', '.join(kinds)}.")
    try:
        outcomes = taker().message(message, "pipe", recipient or None)
    except Exception as problem:  # noqa: BLE001 - no error may lose the message
        complain(f"not processed, try again later: {problem}", _TRY_AGAIN)
    return report({"proofs": [each.proof.value for each in outcomes], "dry_run": False}, _summary(outcomes))


@with_json
def collect(dry_run: DryRun = False) -> None:
    """Process the messages in the Maildir and the IMAP mailbox of the settings. The scheduler does so every minute."""
    from digest.bounces.intake.everywhere import take_everywhere, waiting

    sources = settings().bounce_sources
    if not sources:
        raise NotReady("There is no mailbox to read. Set DIGEST_BOUNCE_MAILDIR or DIGEST_BOUNCE_IMAP_URL.")
    try:
        if dry_run:
            count = waiting(sources)
            return report({"messages": count, "dry_run": True}, f"Would process {count} messages.")
        count = take_everywhere(sources, taker())
    except OSError as problem:
        raise NotReady(f"{problem}. Check DIGEST_BOUNCE_MAILDIR and DIGEST_BOUNCE_IMAP_URL.") from None
    return report({"messages": count, "dry_run": False}, f"Processed {count} messages.")


def taker() -> "Taker":
    """Return a Taker for the database of this command."""
    from digest.bounces.intake.taking import Taker

    return Taker(open_database(), settings().secret_keys, clock.now)


def _summary(outcomes: "Iterable[Acceptance]") -> str:
    counts = Counter(each.proof.value for each in outcomes)
    return "Processed: " + ", ".join(f"{count} {proof}" for proof, count in counts.items())


def lmtp(
    listen: Annotated[str, typer.Option("--listen", help="Host and port to listen on.")] = "127.0.0.1:2424",
    dry_run: DryRun = False,
) -> None:
    """Accept delivery reports over LMTP, for example from Postfix, until stopped."""
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise typer.BadParameter(f"{listen!r} is not a host and a port; write 127.0.0.1:2424")
    if dry_run:
        return progress(f"Would listen on {listen}.")
    import asyncio

    try:
        from digest.run.lmtp import serve
    except ImportError:
        raise NotReady("aiosmtpd is not installed. Run: pip install aiosmtpd") from None
    own = taker()
    return asyncio.run(
        serve(
            host.strip("[]"),
            int(port),
            lambda message, recipient: own.message(message, "lmtp", recipient),
            lambda number: progress(f"Listening for LMTP on {host}:{number}"),
        )
    )

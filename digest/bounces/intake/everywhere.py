"""Reads all mailboxes of an installation in turn."""

from dataclasses import dataclass
from pathlib import Path

from digest.bounces.intake.imap import ImapAccount, count_unseen, take_from_imap
from digest.bounces.intake.maildir import take_from_maildir
from digest.bounces.intake.taking import Taker


@dataclass(frozen=True)
class BounceSources:
    """The mailboxes to read; false if there are none."""

    maildir: Path | None = None
    mailbox: ImapAccount | None = None
    move_to: str = ""

    def __bool__(self) -> bool:
        return bool(self.maildir or self.mailbox)


def take_everywhere(sources: BounceSources, taker: Taker) -> int:
    """Process the waiting messages and return their number. Raises OSError if a mailbox cannot be used."""
    done = 0
    if sources.maildir:
        done += take_from_maildir(sources.maildir, lambda message: taker.message(message, "maildir"))
    if sources.mailbox:
        done += take_from_imap(sources.mailbox, lambda message: taker.message(message, "imap"), sources.move_to)
    return done


def waiting(sources: BounceSources) -> int:
    """Return the number of waiting messages. Raises OSError if a mailbox cannot be used."""
    in_maildir = len(list((sources.maildir / "new").iterdir())) if sources.maildir else 0
    return in_maildir + (count_unseen(sources.mailbox) if sources.mailbox else 0)

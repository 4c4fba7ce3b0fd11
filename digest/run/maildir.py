"""Reads the demo's Maildir. Comes in: its folder. Goes out: mails as a reader's program would show them."""

import mailbox
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """One mail of the inbox."""

    key: str  # names the file; safe in an address
    sender: str
    to: str
    subject: str
    kind: str  # digest.mail.message.Kind, "" when the mail does not say
    at: datetime  # when the mail server took it
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    raw: bytes


def mails(folder: Path) -> list[InboxMessage]:
    """Every mail in `folder`, newest first; none when the folder is not there yet."""
    if not (folder / "new").is_dir():
        return []
    maildir = mailbox.Maildir(folder, create=False)
    found = [_read(maildir, key) for key in maildir.keys()]  # noqa: SIM118 - iterating would parse every message
    return sorted(found, key=lambda mail: (mail.at, mail.key), reverse=True)


def mail(folder: Path, key: str) -> InboxMessage | None:
    """The mail that `key` names, None when there is none."""
    return next((one for one in mails(folder) if one.key == key), None)


def _read(maildir: mailbox.Maildir, key: str) -> InboxMessage:
    raw = maildir.get_bytes(key)
    message = message_from_bytes(raw, policy=policy.default)
    return InboxMessage(
        key=key,
        sender=str(message["From"] or ""),
        to=str(message["To"] or ""),
        subject=str(message["Subject"] or ""),
        kind=_kind(message),
        at=datetime.fromtimestamp(float(key.partition(".")[0]), UTC),
        headers=tuple((name, str(value)) for name, value in message.items()),
        text=_part(message, "plain"),
        html=_part(message, "html"),
        raw=raw,
    )


def _kind(message: EmailMessage) -> str:
    # Feedback-ID: occasion:kind:… (mail/compose/headers.py)
    fields = str(message["Feedback-ID"] or "").split(":")
    return fields[1].strip() if len(fields) > 1 else ""


def _part(message: EmailMessage, subtype: str) -> str:
    part = message.get_body(preferencelist=(subtype,))
    return str(part.get_content()) if part is not None else ""

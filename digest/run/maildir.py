"""Reads the Maildir of the demo's mail server."""

import mailbox
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path


@dataclass(frozen=True, slots=True)
class InboxMessage:
    """One stored message."""

    key: str  # names the file; safe in an address
    sender: str
    to: str
    subject: str
    kind: str  # digest.ledger.kinds.Kind, "" when the message does not say
    at: datetime  # when the mail server took it
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    raw: bytes


def messages(folder: Path) -> list[InboxMessage]:
    """Every message in `folder`, newest first; none while the folder does not exist."""
    if not (folder / "new").is_dir():
        return []
    maildir = mailbox.Maildir(folder, create=False)
    stored = [_read(maildir, key) for key in maildir.keys()]  # noqa: SIM118 - iterating would parse every message
    return sorted(stored, key=lambda message: (message.at, message.key), reverse=True)


def message(folder: Path, key: str) -> InboxMessage | None:
    """The message named by `key`, if there is one."""
    return next((stored for stored in messages(folder) if stored.key == key), None)


def _read(maildir: mailbox.Maildir, key: str) -> InboxMessage:
    raw = maildir.get_bytes(key)
    parsed = message_from_bytes(raw, policy=policy.default)
    return InboxMessage(
        key=key,
        sender=str(parsed["From"] or ""),
        to=str(parsed["To"] or ""),
        subject=str(parsed["Subject"] or ""),
        kind=_kind(parsed),
        at=datetime.fromtimestamp(float(key.partition(".")[0]), UTC),
        headers=tuple((name, str(value)) for name, value in parsed.items()),
        text=_part(parsed, "plain"),
        html=_part(parsed, "html"),
        raw=raw,
    )


def _kind(message: EmailMessage) -> str:
    # Feedback-ID: occasion:kind:… (mail/compose/headers.py)
    fields = str(message["Feedback-ID"] or "").split(":")
    return fields[1].strip() if len(fields) > 1 else ""


def _part(message: EmailMessage, subtype: str) -> str:
    part = message.get_body(preferencelist=(subtype,))
    return str(part.get_content()) if part is not None else ""

"""One reader's mail of an issue without sending it: the bytes that went or would go."""

import email
from dataclasses import replace
from datetime import date, datetime
from email.message import EmailMessage
from email.policy import default

from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.issues.issue import Issue
from digest.issues.selection import CachedIssue, Pool, histories, papers_for, selection_of
from digest.ledger.deliveries import Delivery, find
from digest.ledger.kinds import OF_ISSUE, Kind, SkipReason, Status
from digest.mail.compose.composer import IssueComposer, MailContext, language_of, write
from digest.mail.compose.fragments import Fragments
from digest.mail.compose.store import stored_fragments
from digest.mail.delivery.choose import Draft
from digest.smtp.envelope import Envelope
from digest.subscribers.subscriber import Consent, Preferences, Subscriber

DEFAULT_READER = "reader@example.com"
_NOBODY = 0  # no reader's number: the links of a preview open no reader's page


def preview_message(
    engine: Engine, desk: MailContext, issue: Issue, reader: Subscriber | None, now: datetime, language: str = ""
) -> bytes | None:
    """The exact bytes for `reader`; None when no mail would be made. Without one, for the default reader, who gets it
    in `language` (the issue's for "").

    The default reader's mail is made with the templates as they are now: it shows a designer their changes.
    """
    part = _part(engine, desk, issue, reader or _default_reader(DEFAULT_READER, now, language), now)
    if part is None:
        return None
    with read_only(engine) as connection:
        stored = stored_fragments(connection, issue.id, language_of(issue, part.selection)) if reader else None
    written = IssueComposer(issue, Fragments.from_json(stored), desk).write(part) if stored else write(part, desk)
    return written.envelope.message


def preview_letter(
    desk: MailContext, kind: Kind, reader: Subscriber | None, now: datetime, language: str = ""
) -> bytes:
    """The same of a mail that belongs to no issue, as if it were due now; the operator's language for ""."""
    whom = reader or _default_reader(DEFAULT_READER, now, language)
    return write(Draft(_unqueued(kind, None, now.date(), whom, now), whom), desk).envelope.message


def test_envelope(
    engine: Engine, desk: MailContext, issue: Issue, address: str, language: str, now: datetime
) -> Envelope | None:
    """The default reader's mail, addressed to `address`; the ledger never hears of it. None for an empty issue."""
    part = _part(engine, desk, issue, _default_reader(address, now, language), now)
    return write(part, desk).envelope if part else None


def body_of(message: bytes, kind: str) -> str:
    """The `html` or the `text` part of a message."""
    parsed = email.message_from_bytes(message, policy=default)
    assert isinstance(parsed, EmailMessage)
    part = parsed.get_body(("html",) if kind == "html" else ("plain",))
    return str(part.get_content()) if part else ""


def _part(engine: Engine, desk: MailContext, issue: Issue, reader: Subscriber, now: datetime) -> Draft | None:
    shelf = CachedIssue(issue, Pool(issue, languages=desk.renderer.languages))
    with read_only(engine) as connection:
        kind = OF_ISSUE[issue.kind]
        queued = find(connection, kind, issue.date, reader.key)
        delivery = queued or _unqueued(kind, issue.id, issue.date, reader, now)
        known = histories(connection, "", [delivery], lambda _: shelf)[delivery.id]
    stored = delivery.selection
    selection = selection_of(stored) if stored else papers_for(shelf, reader.preferences, known)
    if isinstance(selection, SkipReason):
        return None
    if reader.id == _NOBODY:  # shows the mail of every day
        selection = replace(selection, first=False)
    return Draft(delivery, reader, issue, selection)


def _unqueued(kind: Kind, issue_id: int | None, day: date, reader: Subscriber, now: datetime) -> Delivery:
    return Delivery(
        id=0,
        kind=kind,
        occasion=day.isoformat(),
        recipient=reader.key,
        issue_id=issue_id,
        subscriber_id=reader.id,
        due_at=now,
        attempts=0,
        crashes=0,
        selection=None,
        sha256="",
        in_doubt=False,
        created_at=now,
    )


def _default_reader(address: str, now: datetime, language: str) -> Subscriber:
    consent = Consent(requested_at=now, requested_from="", form="preview")
    wants = Preferences(language=language)
    return Subscriber(_NOBODY, address, Status.CONFIRMED, wants, "", consent, created_at=now, changed_at=now)

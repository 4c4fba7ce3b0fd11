"""Composes a message for a preview or a test, outside the ledger."""

from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.issues.issue import Issue
from digest.issues.selection import CachedIssue, Pool, histories, papers_for, selection_of
from digest.ledger.deliveries import Delivery, find
from digest.ledger.kinds import OF_ISSUE, Kind, SkipReason, Status
from digest.lint import ParsedMessage
from digest.mail.compose.composer import IssueComposer, MailContext, compose_alone, compose_transactional, language_of
from digest.mail.compose.fragments import Fragments, stored_fragments
from digest.mail.message import Draft
from digest.smtp import Envelope
from digest.subscribers.subscriber import Consent, Preferences, Subscriber

_SAMPLE_ADDRESS = "reader@example.com"
_NOBODY = 0  # the id of no subscriber, so that links in a preview open no page


def preview_message(
    engine: Engine, context: MailContext, issue: Issue, subscriber: Subscriber | None, now: datetime, language: str = ""
) -> bytes | None:
    """Compose the message of an issue; None if the subscriber gets none.

    Without a subscriber it is for a sample subscriber, in `language` ("": the issue's), and from the current templates,
    so that designers see their changes.
    """
    draft = _draft(engine, context, issue, subscriber or _sample_subscriber(_SAMPLE_ADDRESS, now, language), now)
    if draft is None:
        return None
    with read_only(engine) as connection:
        stored = stored_fragments(connection, issue.id, language_of(draft)) if subscriber else None
    if stored is None:
        return compose_alone(draft, context).envelope.message
    return IssueComposer(issue, Fragments.from_json(stored), context).compose(draft).envelope.message


def preview_transactional(
    context: MailContext, kind: Kind, subscriber: Subscriber | None, now: datetime, language: str = ""
) -> bytes:
    """Compose a message that belongs to no issue, as if due now. `language` "" is the operator's."""
    recipient = subscriber or _sample_subscriber(_SAMPLE_ADDRESS, now, language)
    draft = Draft(_unqueued(kind, None, now.date(), recipient, now), recipient)
    return compose_transactional(draft, context).envelope.message


def test_envelope(
    engine: Engine, context: MailContext, issue: Issue, address: str, language: str, now: datetime
) -> Envelope | None:
    """Compose a sample subscriber's message to `address`, outside the ledger. None for an empty issue."""
    draft = _draft(engine, context, issue, _sample_subscriber(address, now, language), now)
    return compose_alone(draft, context).envelope if draft else None


def body_of(message: bytes, kind: str) -> str:
    """The `html` or the `text` part of a message."""
    parsed = ParsedMessage(message)
    return parsed.html if kind == "html" else parsed.text


def _draft(engine: Engine, context: MailContext, issue: Issue, subscriber: Subscriber, now: datetime) -> Draft | None:
    cached = CachedIssue(issue, Pool(issue, languages=context.renderer.languages))
    with read_only(engine) as connection:
        kind = OF_ISSUE[issue.kind]
        queued = find(connection, kind, issue.date, subscriber.key)
        delivery = queued or _unqueued(kind, issue.id, issue.date, subscriber, now)
        history = histories(connection, "", [delivery], lambda _: cached)[delivery.id]
    stored = delivery.selection
    selection = selection_of(stored) if stored else papers_for(cached, subscriber.preferences, history)
    if isinstance(selection, SkipReason):
        return None
    if subscriber.id == _NOBODY:  # a preview is not a first issue
        selection = replace(selection, first=False)
    return Draft(delivery, subscriber, issue, selection)


def _unqueued(kind: Kind, issue_id: int | None, day: date, subscriber: Subscriber, now: datetime) -> Delivery:
    return Delivery(
        id=0,
        kind=kind,
        occasion=day.isoformat(),
        recipient=subscriber.key,
        issue_id=issue_id,
        subscriber_id=subscriber.id,
        due_at=now,
        attempts=0,
        crashes=0,
        selection=None,
        sha256="",
        in_doubt=False,
        created_at=now,
    )


def _sample_subscriber(address: str, now: datetime, language: str) -> Subscriber:
    consent = Consent(requested_at=now, requested_from="", form="preview")
    preferences = Preferences(language=language)
    return Subscriber(_NOBODY, address, Status.CONFIRMED, preferences, "", consent, created_at=now, changed_at=now)

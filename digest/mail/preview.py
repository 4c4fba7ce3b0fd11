"""Composes a message for a preview or a test, outside the ledger, and shows it as phones and desktops do."""

import re
from dataclasses import replace
from datetime import date, datetime
from html import escape

from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.issues.issue import Issue
from digest.issues.selection import CachedIssue, Pool, Selection, histories, papers_for, selection_of
from digest.ledger.deliveries import Delivery, find
from digest.ledger.kinds import OF_CHANGES, OF_ISSUE, IssueKind, Kind, SkipReason, Status
from digest.lint import LintReport, ParsedMessage, lint
from digest.mail.compose.composer import IssueComposer, compose_alone, compose_transactional
from digest.mail.compose.context import MailContext
from digest.mail.compose.fragments import Fragments, stored_fragments
from digest.mail.compose.further_cards import FurtherCards
from digest.mail.message import Draft, language_of
from digest.smtp import Envelope
from digest.subscribers.address_change.change import AddressChange
from digest.subscribers.subscriber import Consent, Preferences, Subscriber

_SAMPLE_ADDRESS, _SAMPLE_NEW_ADDRESS = "subscriber@example.com", "new.address@example.com"
_NOBODY = 0  # the id of no subscriber, so that links in a preview open no page
_FRAMES = (("Phone, light", 390, False), ("Phone, dark", 390, True), ("Small phone, light", 320, False))
_DESKTOP = (("Desktop, light", 720, False), ("Desktop, dark", 720, True))
_DARK_QUERY = re.compile(r"\(\s*prefers-color-scheme\s*:\s*dark\s*\)")
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; padding: 24px; font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 24px; }
h2 { margin: 24px 0 8px; font-size: 16px; }
.row { display: flex; gap: 24px; overflow-x: auto; }
figure { margin: 0; }
figcaption { padding: 0 0 4px; }
iframe { height: 800px; border: 1px solid #767676; }
pre { padding: 16px; border: 1px solid #767676; overflow-x: auto; }
"""


def preview_message(
    engine: Engine, context: MailContext, issue: Issue, subscriber: Subscriber | None, now: datetime, language: str = ""
) -> bytes | None:
    """Compose the message of an issue, given with its whole pool; None if the subscriber gets none.

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
    further = FurtherCards(issue, context.renderer.speaking(language_of(draft)), engine, keep=False)
    return IssueComposer(issue, Fragments.from_json(stored), context, further).compose(draft).envelope.message


def preview_first_issue(
    engine: Engine, context: MailContext, issue: Issue, now: datetime, language: str = ""
) -> bytes | None:
    """Compose the message of an issue as a sample subscriber's first, which welcomes them."""
    draft = _draft(engine, context, issue, _sample_subscriber(_SAMPLE_ADDRESS, now, language), now)
    if draft is None or draft.selection is None:
        return None
    welcome = replace(draft, selection=replace(draft.selection, first=True))
    return compose_alone(welcome, context).envelope.message


def preview_transactional(
    context: MailContext, kind: Kind, subscriber: Subscriber | None, now: datetime, language: str = ""
) -> bytes:
    """Compose a message that belongs to no issue, as if due now. `language` "" is the operator's."""
    recipient = subscriber or _sample_subscriber(_SAMPLE_ADDRESS, now, language)
    change = _sample_change(recipient, now) if kind in OF_CHANGES else None
    draft = Draft(_unqueued(kind, None, now.date(), recipient, now), recipient, change=change)
    return compose_transactional(draft, context).envelope.message


def sample_envelope(
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
    if issue.kind == IssueKind.NOTICE:
        delivery = replace(_unqueued(Kind.NOTICE, issue.id, issue.date, subscriber, now), composed_at=now)
        return Draft(delivery, subscriber, issue, Selection((), language=subscriber.preferences.language))
    cached = CachedIssue(issue, Pool(issue, languages=context.renderer.languages))
    with read_only(engine) as connection:
        kind = OF_ISSUE[issue.kind]
        queued = find(connection, kind, issue.date, subscriber.key)
        delivery = queued or _unqueued(kind, issue.id, issue.date, subscriber, now)
        if not delivery.sha256:
            delivery = replace(delivery, composed_at=max(now, delivery.due_at))
        history = histories(connection, "", [delivery], lambda _: cached)[delivery.id]
    stored = delivery.chosen
    selection = (
        selection_of(stored, cached.pool.by_rank) if stored else papers_for(cached, subscriber.preferences, history)
    )
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


def _sample_change(subscriber: Subscriber, now: datetime) -> AddressChange:
    nothing_yet = (None, None, None, None)
    return AddressChange(0, subscriber.id, subscriber.email, _SAMPLE_NEW_ADDRESS, "", "", now, *nothing_yet)


# --- the page ---


def preview_page(message: bytes) -> str:
    """Render an HTML page with the lint report. Its frames show the message with the dark-mode query decided."""
    parsed, report = ParsedMessage(message), lint(message)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(parsed.subject)}</title><style>{_STYLE}</style></head><body>
<h1>{escape(parsed.subject)}</h1>
<p>From {escape(parsed.field("From"))}, {len(message):,} bytes, {len(parsed.html_on_the_wire):,} of them HTML.</p>
{_rules(report)}
<h2>Rendering</h2>
<div class="row">{"".join(_frame(parsed.html, *frame) for frame in _FRAMES)}</div>
<div class="row">{"".join(_frame(parsed.html, *frame) for frame in _DESKTOP)}</div>
<h2>Text part</h2>
<pre>{escape(parsed.text)}</pre>
<h2>Headers</h2>
<pre>{escape(parsed.head.decode("ascii", "backslashreplace"))}</pre>
</body></html>
"""


def _rules(report: LintReport) -> str:
    broken = "".join(
        f"<li><b>{escape(rule.id)}</b>: {escape('; '.join(problems))}. {escape(rule.remedy)}</li>"
        for rule, problems in report.problems.items()
    )
    summary = f"<p>It follows {report.passed} of the {report.of} rules for a {report.kind} message.</p>"
    return f"{summary}<ul>{broken}</ul>" if broken else summary


def in_scheme(html: str, dark: bool) -> str:
    """`html` with its dark-mode query decided."""
    return _DARK_QUERY.sub("all" if dark else "not all", html)


def _frame(html: str, name: str, width: int, dark: bool) -> str:
    answered = in_scheme(html, dark)
    scheme = "dark" if dark else "light"
    return (
        f'<figure><figcaption>{name}, {width} px</figcaption><iframe title="{name}" sandbox="allow-popups" '
        f'style="width:{width}px;color-scheme:{scheme}" srcdoc="{escape(answered)}"></iframe></figure>'
    )

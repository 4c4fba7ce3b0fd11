"""The command subscribers show."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

from digest import clock
from digest.cli.lookup import key_of, open_database, reading
from digest.cli.options import Address
from digest.cli.output import NotReady, answer, table, with_json, writes_json
from digest.settings import settings
from digest.text import minute_of

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.issues.story import Story
    from digest.subscribers.subscriber import Consent

_PAPERS_SHOWN = 10  # of a message


@with_json
def show(address: Address) -> None:
    """Show what happened with one address: consent, messages, papers, what comes next. --json: all that is stored."""
    from digest.issues.personal_data import export
    from digest.issues.story import story
    from digest.subscribers.store import other_consents

    key, cut, now = key_of(address), settings().cut_at, clock.now()
    with reading() as connection:
        told = story(connection, key, cut, now)
        person = told.subscriber
        others = other_consents(connection, person.id) if person else []
    if told.is_empty:
        raise NotReady(f"{address} is not subscribed, and got no email. To list subscribers: digest subscribers list")
    stored = export(open_database(), person.id) if person and writes_json() else None
    coming = {"issue": told.next.issue, "due_at": told.next.due_at, "why_not": told.next.why_not}
    document = (stored or {"subscriber": None, "mails": [asdict(each) for each in told.messages]}) | {
        "next_digest": coming,
        "suppression": _suppression(told),
    }
    answer(document, lambda: _lines(address, told, others))


def _suppression(told: "Story") -> dict[str, object] | None:
    return dict(zip(("reason", "detail", "since"), told.suppressed, strict=True)) if told.suppressed else None


def _lines(address: str, told: "Story", others: "list[Consent]") -> Iterator[str]:
    person = told.subscriber
    yield f"{address}: {person.status if person else 'not stored (deleted, or never signed up)'}"
    if person:
        yield f"  {_consent(person.consent)}"
        yield from (f"  before that: {_consent(consent)}" for consent in others)
        for change in told.changes:
            if change.changed_at:
                yield f"  address changed {minute_of(change.changed_at)}, before that: {change.old_email}"
        if person.preferences.paused_until:
            yield f"  paused until {person.preferences.paused_until}"
    for change in told.moved_to:
        if change.changed_at:
            to = change.new_email or "one that was deleted since"
            yield f"  address changed {minute_of(change.changed_at)} to {to}"
    if told.suppressed:
        reason, detail, since = told.suppressed
        why = f"{reason}, {detail}" if detail else reason
        yield f"  suppressed since {minute_of(since)}: {why}. To allow email: digest suppressions lift {address}"
    yield f"  next digest: {_next(told)}"
    if told.feedback:
        yield f"  feedback: {', '.join(f'{count} {kind}' for kind, count in sorted(told.feedback.items()))}"
    yield ""
    yield from _messages(told)
    yield from _papers(told)


def _messages(told: "Story") -> Iterator[str]:
    if not told.messages:
        yield "No message was ever queued for this address."
        return
    heading = ("issue or day", "kind", "state", "at (UTC)", "last reply, or why")
    rows = [
        (sent.occasion, sent.kind, sent.state, f"{sent.at:%Y-%m-%d %H:%M}", sent.why or sent.reply)
        for sent in told.messages
    ]
    yield from table([heading, *rows], sentences=True)
    if with_id := [(sent.occasion, sent.kind, sent.message_id) for sent in told.messages if sent.message_id]:
        yield ""
        yield from table([("issue or day", "kind", "Message-ID"), *with_id])


def _papers(told: "Story") -> Iterator[str]:
    for sent in told.messages:
        titles = [(paper_id, told.titles[paper_id]) for paper_id in sent.papers if paper_id in told.titles]
        if not titles:
            continue
        yield ""
        yield f"Papers of the {sent.kind} of {sent.occasion}:"
        numbered = [(f"{place}.", *paper) for place, paper in enumerate(titles[:_PAPERS_SHOWN], start=1)]
        yield from table([("", "paper", "title"), *numbered])
        if len(titles) > _PAPERS_SHOWN:
            yield f"and {len(titles) - _PAPERS_SHOWN} more"


def _next(told: "Story") -> str:
    if told.next.issue is None or told.next.due_at is None:
        return f"none; {told.next.why_not}"
    wants = told.subscriber.preferences if told.subscriber else None
    local = f" ({wants.hour:02}:00 in {wants.zone})" if wants else ""
    return f"the issue of {told.next.issue}, due {minute_of(told.next.due_at)}{local}"


def _consent(consent: "Consent") -> str:
    confirmed = f"confirmed {minute_of(consent.confirmed_at)}" if consent.confirmed_at else "not confirmed"
    return f"signed up {minute_of(consent.requested_at)} by {consent.form or 'an unknown form'}, {confirmed}"

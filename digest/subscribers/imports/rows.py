"""Signing up many addresses at once; each is sent a confirmation email unless it was confirmed elsewhere.

People who left, bounced or were blocked where the list comes from stay out here as well.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Engine

from digest.database.engine import transaction
from digest.language import SOURCE
from digest.ledger import events
from digest.ledger.kinds import Status
from digest.papers.sources.reading import instant_of
from digest.subscribers import store
from digest.subscribers.addresses import normalise
from digest.subscribers.imports.listed_status import ListedStatus, listed_status, strictest
from digest.subscribers.imports.spreadsheet import Row, bare_address
from digest.subscribers.mailboxes import Mailbox, mailbox_of
from digest.subscribers.preferences import DEFAULTS, FIELDS, parse_preferences
from digest.subscribers.subscriber import Consent, Preferences, event_subject
from digest.subscribers.subscriptions import ask
from digest.subscribers.suppressions import is_suppressed, suppress
from digest.text import listed, parse_date


class RowOutcome(StrEnum):
    """The result for an address, in the words of the report."""

    NEW = "signed up"
    STORED = "already there"
    DOUBLE = "duplicate"
    SUPPRESSED = "suppressed"  # here
    LEFT = "left"  # here or where the list comes from
    ASKED = "asked too recently"


@dataclass(slots=True)
class ImportReport:
    """Counts of an import, and each rejected text with its problem."""

    counts: Counter[RowOutcome] = field(default_factory=Counter)
    bad: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Import:
    """An import by an operator.

    With `consented`, which says where they confirmed, addresses are confirmed at once; without it, each that has no
    `confirmed_at` is asked.
    """

    consented: str
    now: datetime
    secret: bytes
    own_domains: tuple[str, ...] = ()
    languages: Collection[str] = (SOURCE,)
    dry_run: bool = False
    on_each: Callable[[], None] = lambda: None  # called after each address
    preferences: Preferences = DEFAULTS  # where a row names none


@dataclass(frozen=True, slots=True)
class _Person:
    mailbox: Mailbox
    listed: ListedStatus
    preferences: Preferences
    consent: Consent


def import_rows(engine: Engine, rows: Iterable[Row], how: Import) -> ImportReport:
    """Sign up each address that is not stored yet, with the status that its row gives."""
    report, people = ImportReport(), dict[str, _Person]()
    for row in rows:
        try:
            person = _person(row, how)
        except ValueError as problem:
            text = dict(row).get("email") or ", ".join(cell for _, cell in row if cell)
            report.bad.append((text, str(problem)))
            continue
        if before := people.get(person.mailbox.key):
            report.counts[RowOutcome.DOUBLE] += 1
            person = replace(before, listed=strictest([before.listed, person.listed]))
        people[person.mailbox.key] = person
    for person in people.values():
        with transaction(engine) as connection:
            report.counts[_import(connection, person, how)] += 1
            if how.dry_run:
                connection.rollback()
        how.on_each()
    return report


def _import(connection: Connection, person: _Person, how: Import) -> RowOutcome:
    key, (status, suppression) = person.mailbox.key, person.listed
    stored = store.by_key(connection, key)
    if is_suppressed(connection, key):
        return RowOutcome.SUPPRESSED
    if stored:
        return RowOutcome.LEFT if stored.status is Status.UNSUBSCRIBED else RowOutcome.STORED
    consent = person.consent
    if status is Status.CONFIRMED and how.consented and not consent.confirmed_at:
        consent = replace(consent, confirmed_at=how.now)
    has_to_confirm = status is Status.PENDING or (status is Status.CONFIRMED and not consent.confirmed_at)
    if has_to_confirm and not suppression:
        request, created_at = Consent(how.now, requested_from="", form=store.IMPORT), consent.requested_at
        queued = ask(connection, person.mailbox, request, person.preferences, created_at)
        return RowOutcome.NEW if queued else RowOutcome.ASKED
    _add(connection, person, consent, how)
    if status is Status.UNSUBSCRIBED:
        return RowOutcome.LEFT
    return RowOutcome.SUPPRESSED if suppression else RowOutcome.NEW


def _add(connection: Connection, person: _Person, consent: Consent, how: Import) -> None:
    key, (status, suppression) = person.mailbox.key, person.listed
    subscriber_id = store.add_pending(connection, person.mailbox.address, key, person.preferences, consent)
    if subscriber_id is None:  # since we looked
        return
    if status is Status.CONFIRMED and consent.confirmed_at:
        store.set_confirmed(connection, subscriber_id, "import", consent.confirmed_at)
    if status is Status.UNSUBSCRIBED:
        store.set_unsubscribed(connection, subscriber_id, how.now)
    if suppression:
        suppress(connection, key, suppression, "import", how.now)
    detail = {"consented": how.consented, "status": str(status)}
    events.record(connection, how.now, event_subject(key), "imported", detail)


def _person(row: Row, how: Import) -> _Person:
    """The person in a row. Raises ValueError."""
    cells = dict(reversed(row))
    if not cells.get("email"):
        raise ValueError("there is no address in it; write one address a line")
    address = normalise(bare_address(cells["email"]), how.own_domains)
    confirmed_at = instant_of(cells.get("confirmed_at"))
    if cells.get("confirmed_at") and (confirmed_at is None or confirmed_at > how.now):
        raise ValueError(f"confirmed_at {cells['confirmed_at']!r}: write a past instant, such as 2026-03-04T06:00:00Z")
    created_at = min(instant_of(cells.get("created_at")) or how.now, how.now)
    form = f"{store.IMPORT}: {how.consented}"[:40] if how.consented else store.IMPORT
    consent = Consent(created_at, requested_from="", form=form, confirmed_at=confirmed_at)
    mailbox = mailbox_of(address, how.secret)
    return _Person(mailbox, listed_status(row), _preferences(cells, how), consent)


def _preferences(cells: dict[str, str], how: Import) -> Preferences:
    """The preferences in the columns of our own export; defaults for the others."""
    form = {name: [cells[name]] for name in FIELDS if cells.get(name)}
    form |= {name: listed(cells[name]) for name in ("topics", "muted_topics") if name in cells}
    form.setdefault("topics", list(how.preferences.topics))  # a form without topics has none ticked
    days = listed(cells.get("weekdays", ""))
    if cells.get("frequency") == "weekly":
        form["weekday"] = days[:1]
    elif days:
        form["frequency"] = ["workdays" if days == list("01234") else "daily"]
    preferences = parse_preferences(form, how.now, how.preferences, how.languages)
    if isinstance(preferences, dict):
        name, words = next(iter(preferences.items()))
        raise ValueError(f"{name}: {words}")
    until = parse_date(cells.get("paused_until", ""))
    if cells.get("paused_until") and until is None:
        raise ValueError(f"paused_until {cells['paused_until']!r}: write a date, such as 2026-12-31")
    return replace(preferences, paused_until=until or how.preferences.paused_until)

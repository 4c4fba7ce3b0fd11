"""Signing up many addresses at once; each is sent a confirmation email unless it was confirmed elsewhere.

Whoever left, bounced or was blocked where the list comes from stays out here as well.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.language import SOURCE
from digest.ledger import events
from digest.ledger.kinds import Status, SuppressionReason
from digest.papers.sources.reading import instant_of
from digest.subscribers import store
from digest.subscribers.addresses import normalise
from digest.subscribers.preferences import DEFAULTS, FIELDS, parse_preferences
from digest.subscribers.spreadsheet import Row
from digest.subscribers.standing import Standing, standing, strictness
from digest.subscribers.subscriber import Consent, Preferences, event_subject, recipient_key
from digest.subscribers.subscriptions import subscribe
from digest.subscribers.suppressions import is_suppressed, suppress
from digest.text import listed, parse_date


@dataclass(slots=True)
class Report:
    """Counts of an import, and each rejected text with its problem."""

    new: int = 0
    already_there: int = 0
    double: int = 0
    suppressed: int = 0  # here; neither signed up nor asked
    left: int = 0  # here or where the list comes from
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


@dataclass(frozen=True, slots=True)
class _Person:
    address: str
    key: str
    standing: Standing
    preferences: Preferences
    consent: Consent


def import_rows(engine: Engine, rows: Iterable[Row], how: Import) -> Report:
    """Sign up each address that is not stored yet, in the standing that its row gives."""
    report, people = Report(), dict[str, _Person]()
    for row in rows:
        try:
            person = _person(row, how)
        except ValueError as problem:
            report.bad.append((row.get("email") or ", ".join(row.values()), str(problem)))
            continue
        report.double += person.key in people
        # Who is listed twice and left once has left.
        people[person.key] = max(people.get(person.key, person), person, key=lambda each: strictness(each.standing))
    for person in people.values():
        _import(engine, person, how, report)
    return report


def _import(engine: Engine, person: _Person, how: Import, report: Report) -> None:
    with read_only(engine) as connection:
        stored = store.by_key(connection, person.key)
        is_kept_out = is_suppressed(connection, person.key)
    if is_kept_out:
        report.suppressed += 1
    elif stored:
        report.left += stored.status is Status.UNSUBSCRIBED
        report.already_there += stored.status is not Status.UNSUBSCRIBED
    else:
        may_join = person.standing in (Status.CONFIRMED, Status.PENDING)
        report.new += may_join
        report.left += not may_join
        if not how.dry_run:
            _add(engine, person, how)


def _add(engine: Engine, person: _Person, how: Import) -> None:
    is_confirmed = person.standing is Status.CONFIRMED and (how.consented or person.consent.confirmed_at)
    if person.standing is Status.PENDING or (person.standing is Status.CONFIRMED and not is_confirmed):
        consent = Consent(how.now, requested_from="", form="import")
        subscribe(engine, person.address, consent, how.secret, person.preferences)
        return
    with transaction(engine) as connection:
        if isinstance(person.standing, SuppressionReason):
            suppress(connection, person.key, person.standing, "import", how.now)
            return
        consent = replace(person.consent, confirmed_at=None)
        subscriber_id = store.add_pending(connection, person.address, person.key, person.preferences, consent)
        if subscriber_id is None:
            return
        if is_confirmed or person.consent.confirmed_at:
            store.set_confirmed(connection, subscriber_id, "import", person.consent.confirmed_at or how.now)
        if person.standing is Status.UNSUBSCRIBED:
            store.set_unsubscribed(connection, subscriber_id, how.now)
        detail = {"consented": how.consented, "status": str(person.standing)}
        events.record(connection, how.now, event_subject(person.key), "imported", detail)


def _person(row: Row, how: Import) -> _Person:
    """The person in a row. Raises ValueError."""
    address = normalise(row.get("email", ""), how.own_domains)
    confirmed_at = instant_of(row.get("confirmed_at"))
    if row.get("confirmed_at") and (confirmed_at is None or confirmed_at > how.now):
        raise ValueError(f"confirmed_at {row['confirmed_at']!r}: write a past instant, such as 2026-03-04T06:00:00Z")
    created_at = min(instant_of(row.get("created_at")) or how.now, how.now)
    form = f"import: {how.consented}"[:40] if how.consented else "import"
    consent = Consent(created_at, requested_from="", form=form, confirmed_at=confirmed_at)
    return _Person(address, recipient_key(address, how.secret), standing(row), _preferences(row, how), consent)


def _preferences(row: Row, how: Import) -> Preferences:
    """The preferences in the columns of our own export; defaults for the others."""
    form = {name: [row[name]] for name in FIELDS if row.get(name)}
    form |= {name: listed(row.get(name, "")) for name in ("topics", "muted_topics")}
    days = listed(row.get("weekdays", ""))
    if row.get("frequency") == "weekly":
        form["weekday"] = days[:1]
    elif days:
        form["frequency"] = ["workdays" if days == list("01234") else "daily"]
    preferences = parse_preferences(form, how.now, DEFAULTS, how.languages)
    if isinstance(preferences, dict):
        name, words = next(iter(preferences.items()))
        raise ValueError(f"{name}: {words}")
    until = parse_date(row.get("paused_until", ""))
    if row.get("paused_until") and until is None:
        raise ValueError(f"paused_until {row['paused_until']!r}: write a date, such as 2026-12-31")
    return replace(preferences, paused_until=until)

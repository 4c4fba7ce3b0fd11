"""Reads the person in a row of a list: their address, status, preferences and consent. Pure."""

import json
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from digest.language import SOURCE
from digest.ledger.kinds import Status, SuppressionReason
from digest.papers.sources.reading import instant_of
from digest.subscribers.addresses import normalise
from digest.subscribers.imports.columns import COLUMNS, CONFIRMED_ELSEWHERE, PREFERENCES, Row
from digest.subscribers.imports.list_file import bare_address
from digest.subscribers.imports.listed_status import CONFIRMED, ListedStatus, listed_status, strictest
from digest.subscribers.mailboxes import Mailbox, mailbox_of
from digest.subscribers.preferences import DEFAULTS, FIELDS, parse_preferences
from digest.subscribers.store import IMPORT
from digest.subscribers.subscriber import Consent, Preferences
from digest.subscribers.suppressions import Suppression
from digest.subscribers.tokens import key_id
from digest.text import listed, parse_date

_QUIET = frozenset(COLUMNS) - {"status", "suppressed", "confirmed_at"}
_PREFERENCES = (*PREFERENCES, "weekday", "pause", "pause_until")
_KEY = re.compile("[0-9a-f]{32}")
_LARGEST_NUMBER = 2**32 - 1  # that a link can hold
_REMEMBERED = 10_000  # preferences


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
    on_counted: Callable[[int], None] = lambda _: None  # called with the number of rows, before the first
    on_each: Callable[[int], None] = lambda _: None  # called with the number of rows just done
    on_error: Callable[[int, str, str], None] = lambda *_: None  # with the line, its text and the problem
    preferences: Preferences = DEFAULTS  # for a row without a status
    status: Status = Status.CONFIRMED  # of everyone, or stricter
    leave_out_deleted: bool = False  # without the suppressions of deleted people under another key


@dataclass(frozen=True, slots=True)
class ListedPerson:
    """A person in a list, as they would be stored."""

    mailbox: Mailbox
    listed: ListedStatus
    preferences: Preferences
    consent: Consent
    created_at: datetime
    changed_at: datetime | None = None  # None: now
    suppression: Suppression | None = None  # None: now, by the import
    others: tuple[Consent, ...] = ()  # other consents
    link_version: int = 0
    number: int | None = None  # their number, if the list was written under the same secret key


@dataclass(frozen=True, slots=True)
class ForeignKey(Exception):
    """A row has a deleted person under another secret key."""

    key_id: str


class PeopleReader:
    """Reads the rows of one import."""

    def __init__(self, how: Import, of_file: ListedStatus = CONFIRMED) -> None:
        self._how = how
        least = strictest([of_file, (how.status, None)])
        self._least = CONFIRMED if least == CONFIRMED else least
        self._form = f"{IMPORT}: {how.consented}"[:40] if how.consented else IMPORT
        self._key_id = key_id(how.secret)
        self._preferences: dict[tuple[str | None, ...], Preferences] = {}

    def address(self, row: Row) -> str:
        """Return the normalised address in a row. Raises ValueError."""
        text = _address_in(row)
        if not text:
            raise ValueError("there is no address in it; write one address a line")
        return normalise(bare_address(text), self._how.own_domains)

    def deleted(self, row: Row) -> Suppression | None:
        """Return the suppression of a deleted person. Raises ForeignKey if it was made under another key."""
        if _address_in(row):
            return None
        cells = dict(reversed(row))
        key, of_key = cells.get("key", ""), cells.get("key_id", "")
        if not of_key or not _KEY.fullmatch(key):
            return None
        if of_key != self._key_id:
            raise ForeignKey(of_key)
        if cells.get("suppressed") not in list(SuppressionReason):
            raise ValueError(f"suppressed {cells.get('suppressed')!r}: write {', '.join(SuppressionReason)}")
        return _suppression(cells, key, self._how.now)

    def person(self, row: Row) -> ListedPerson:
        """Return the person in a row. Raises ValueError."""
        how, cells = self._how, dict(reversed(row))
        mailbox = mailbox_of(self.address(row), how.secret)
        listed_as = listed_status(row, _QUIET)
        if self._least is not CONFIRMED:
            listed_as = strictest([self._least, listed_as])
        preferences = self._preferences_in(cells)
        if _is_exported(cells):
            return _exported(cells, mailbox, listed_as, preferences, how.now)
        confirmed_at = _instant(cells, "confirmed_at", how.now)
        status = listed_as[0]
        if how.consented and status is Status.CONFIRMED and not confirmed_at:
            elsewhere = instant_of(cells.get(CONFIRMED_ELSEWHERE))
            confirmed_at = min(elsewhere or how.now, how.now)
        is_confirmed = status is Status.CONFIRMED and confirmed_at
        created_at = min(instant_of(cells.get("created_at")) or how.now, how.now)
        changed_at = how.now if status is Status.UNSUBSCRIBED else confirmed_at if is_confirmed else created_at
        consent = Consent(created_at, "", self._form, confirmed_at, IMPORT if is_confirmed else "")
        return ListedPerson(mailbox, listed_as, preferences, consent, created_at, changed_at)

    def _preferences_in(self, cells: dict[str, str]) -> Preferences:
        given = (str(_is_exported(cells)), *map(cells.get, _PREFERENCES))
        stored = self._preferences.get(given)
        if stored is None:
            stored = _preferences(cells, self._how)
            if len(self._preferences) >= _REMEMBERED:
                self._preferences.clear()
            self._preferences[given] = stored
        return stored


def _address_in(row: Row) -> str:
    return next((cell for column, cell in row if column == "email"), "")


def _is_exported(cells: dict[str, str]) -> bool:
    """True for a row of an export of Digest."""
    return bool(_KEY.fullmatch(cells.get("key", "")))


def _exported(
    cells: dict[str, str], mailbox: Mailbox, listed_as: ListedStatus, preferences: Preferences, now: datetime
) -> ListedPerson:
    """Return a person in an export of Digest, with everything in it."""
    created_at = _instant(cells, "created_at", now) or now
    consent = _consent(cells, now, created_at)
    number, version = cells.get("number", ""), cells.get("link_version", "")
    is_ours = cells["key"] == mailbox.key and number.isdecimal() and 0 < int(number) <= _LARGEST_NUMBER
    try:
        others = tuple(_consent(each, now, now) for each in json.loads(cells.get("other_consents") or "[]"))
    except (TypeError, AttributeError, json.JSONDecodeError):
        raise ValueError("other_consents: it is not JSON as we export it") from None
    return ListedPerson(
        mailbox,
        listed_as,
        preferences,
        consent,
        created_at,
        _instant(cells, "changed_at", now) or consent.confirmed_at or created_at,
        _suppression(cells, mailbox.key, now) if cells.get("suppressed_at") else None,
        others,
        int(version) if version.isdecimal() and len(version) < 6 else 0,
        int(number) if is_ours else None,
    )


def _consent(cells: dict[str, Any], now: datetime, requested_at: datetime) -> Consent:
    texts = {name: cells.get(name) or "" for name in ("requested_from", "form", "confirmed_from")}
    return Consent(
        _instant(cells, "requested_at", now) or requested_at,
        texts["requested_from"][:64],
        texts["form"][:40],
        _instant(cells, "confirmed_at", now),
        texts["confirmed_from"][:64],
    )


def _suppression(cells: dict[str, str], key: str, now: datetime) -> Suppression:
    """Return the suppression in a row. Raises ValueError."""
    why, source, until = (cells.get(f"suppressed_{name}", "") for name in ("because", "by", "until"))
    expires_at = instant_of(until) if until else None
    if until and expires_at is None:
        raise ValueError(f"suppressed_until {until!r}: write an instant, such as 2026-03-04T06:00:00Z")
    since = _instant(cells, "suppressed_at", now) or now
    return Suppression(key, cells.get("suppressed", ""), why[:500], since, source[:20], expires_at)


def _instant(cells: dict[str, Any], column: str, now: datetime) -> datetime | None:
    """Parse a past instant; None for an empty cell. Raises ValueError."""
    text = cells.get(column)
    if not text:
        return None
    instant = instant_of(text)
    if instant is None or instant > now:
        raise ValueError(f"{column} {text!r}: write a past instant, such as 2026-03-04T06:00:00Z")
    return instant


def _preferences(cells: dict[str, str], how: Import) -> Preferences:
    """Return the preferences in the columns of Digest's own export; defaults for the others."""
    form = {name: [cells[name]] for name in FIELDS if cells.get(name)}
    form |= {name: listed(cells[name]) for name in ("topics", "muted_topics") if name in cells}
    form.setdefault("topics", list(how.preferences.topics))  # an export without topics means none were chosen
    days = listed(cells.get("weekdays", ""))
    if cells.get("frequency") == "weekly":
        form["weekday"] = days[:1]
    elif days:
        form["frequency"] = ["workdays" if days == list("01234") else "daily"]
    # An export has no feedback: whether someone who follows nothing liked some paper is not known.
    preferences = parse_preferences(form, how.now, how.preferences, how.languages, has_liked=_is_exported(cells))
    if isinstance(preferences, dict):
        name, words = next(iter(preferences.items()))
        raise ValueError(f"{name}: {words}")
    until = parse_date(cells.get("paused_until", ""))
    if cells.get("paused_until") and until is None:
        raise ValueError(f"paused_until {cells['paused_until']!r}: write a date, such as 2026-12-31")
    return replace(preferences, paused_until=until or how.preferences.paused_until)

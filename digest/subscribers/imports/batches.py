"""Decides what an import does with each person in a batch, and stores the batch.

The decision only reads, and is the same in a dry run. Storing takes one statement per table.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select, text

from digest.database.dialect import in_list, in_list_param, insert_new, insert_rows
from digest.database.tables import consents, deliveries, spellings, subscribers, suppressions
from digest.ledger import events
from digest.ledger.kinds import Kind, Status, SuppressionReason
from digest.ledger.outbox import EventType, NewEvent, publish
from digest.ledger.queueing import new_row
from digest.subscribers import store
from digest.subscribers.address_change.store import still_theirs
from digest.subscribers.imports.people import ListedPerson
from digest.subscribers.mailboxes import CONFIRMATION_LIMITS, Mailbox
from digest.subscribers.subscriber import Consent, event_subject
from digest.subscribers.suppressions import Suppression, add_suppressions


class RowOutcome(StrEnum):
    """The result for an address, as worded in the report."""

    NEW = "signed up"
    STORED = "already there"
    DOUBLE = "duplicate"
    SUPPRESSED = "suppressed"  # here
    LEFT = "left"  # here or in the other program
    ASKED = "asked too recently"
    DELETED = "deleted and suppressed"  # only the hash of the address is stored


@dataclass(slots=True)
class Batch:
    """People to store, and the outcomes for all."""

    counts: Counter[RowOutcome] = field(default_factory=Counter)
    new: list[ListedPerson] = field(default_factory=list)
    asked: dict[str, tuple[Mailbox, str]] = field(default_factory=dict)  # those to ask, with the date, by key
    suppressed: list[Suppression] = field(default_factory=list)


class Decisions:
    """Decides what an import does with people. Records whom a dry run would have asked to confirm."""

    def __init__(self, now: datetime, spelt_twice: Collection[str] = ()) -> None:
        self._now = now
        self._spelt_twice = spelt_twice  # keys of mailboxes that the list has under several addresses
        self._asked: set[str] = set()  # of these, in earlier batches

    def decide(
        self, connection: Connection, people: Sequence[ListedPerson], deleted: Sequence[Suppression] = ()
    ) -> Batch:
        batch = Batch()
        self._decide_deleted(connection, deleted, batch)
        keys = [person.mailbox.key for person in people]
        stored = _values_of(connection, subscribers.c.key, subscribers.c.status, keys)
        stored |= dict.fromkeys(still_theirs(connection, keys), Status.CONFIRMED)
        suppressed = _values_of(connection, suppressions.c.key, suppressions.c.reason, keys)
        new = []
        for person in people:
            key = person.mailbox.key
            if key in suppressed:
                batch.counts[RowOutcome.SUPPRESSED] += 1
            elif key in stored:
                left = stored[key] == Status.UNSUBSCRIBED
                batch.counts[RowOutcome.LEFT if left else RowOutcome.STORED] += 1
            else:
                new.append(person)
        new = _with_free_numbers(connection, new)
        limits = _Limits(connection, [person.mailbox for person in new if has_to_confirm(person)], self._now)
        for person in new:
            self._decide_new(person, limits, batch)
        return batch

    def _decide_new(self, person: ListedPerson, limits: "_Limits", batch: Batch) -> None:
        (status, suppression), now = person.listed, self._now
        if has_to_confirm(person):
            mailbox = person.mailbox
            day = None if mailbox.folded_key in self._asked else limits.day_to_ask(mailbox)
            if day is None:
                batch.counts[RowOutcome.ASKED] += 1
                return
            if mailbox.folded_key in self._spelt_twice:
                self._asked.add(mailbox.folded_key)
            request = Consent(now, requested_from="", form=store.IMPORT)
            person = replace(person, listed=(Status.PENDING, None), consent=request, changed_at=now, number=None)
            batch.asked[mailbox.key] = (mailbox, day)
        batch.new.append(person)
        if suppression:
            as_listed = person.suppression or Suppression(person.mailbox.key, "", store.IMPORT, now)
            batch.suppressed.append(replace(as_listed, reason=str(suppression)))
        outcome = RowOutcome.SUPPRESSED if suppression else RowOutcome.NEW
        batch.counts[RowOutcome.LEFT if status is Status.UNSUBSCRIBED else outcome] += 1

    def _decide_deleted(self, connection: Connection, deleted: Sequence[Suppression], batch: Batch) -> None:
        keys = [each.key for each in deleted]
        stored = _values_of(connection, suppressions.c.key, suppressions.c.reason, keys)
        for each in deleted:
            batch.counts[RowOutcome.SUPPRESSED if each.key in stored else RowOutcome.DELETED] += 1
            if each.key not in stored:
                batch.suppressed.append(each)


def has_to_confirm(person: ListedPerson) -> bool:
    """True if they are asked to confirm. People in Digest's own export who keep their number already have a link."""
    status, suppression = person.listed
    if suppression or person.number is not None:
        return False
    return status is Status.PENDING or (status is Status.CONFIRMED and not person.consent.confirmed_at)


class _Limits:
    """The limits on confirmation emails to one mailbox (mailboxes.py), for many mailboxes at once."""

    def __init__(self, connection: Connection, mailboxes: Sequence[Mailbox], now: datetime) -> None:
        self._now, self._keys = now, defaultdict[str, set[str]](set)
        folded = [mailbox.folded_key for mailbox in mailboxes]
        if folded:
            query = select(spellings.c.mailbox, spellings.c.recipient)
            for mailbox_key, recipient in connection.execute(
                query.where(in_list(connection, spellings.c.mailbox, folded))
            ):
                self._keys[mailbox_key].add(recipient)
        for mailbox in mailboxes:
            self._keys[mailbox.folded_key] |= {mailbox.key, mailbox.folded_key}
        keys = {key for each in self._keys.values() for key in each}
        self._reasons = _values_of(connection, suppressions.c.key, suppressions.c.reason, keys)
        self._sent = defaultdict[str, list[tuple[str, datetime]]](list)  # occasions and instants, by recipient
        if keys:
            is_one = (deliveries.c.kind == str(Kind.CONFIRMATION)) & in_list(connection, deliveries.c.recipient, keys)
            columns = (deliveries.c.recipient, deliveries.c.occasion, deliveries.c.created_at)
            for recipient, occasion, at in connection.execute(select(*columns).where(is_one)):
                self._sent[recipient].append((occasion, at))

    def day_to_ask(self, mailbox: Mailbox) -> str | None:
        """Return the date for a confirmation email to a mailbox, and count it; None if it may get none."""
        keys, now = self._keys[mailbox.folded_key], self._now
        if any(self._reasons.get(key, SuppressionReason.REFUSED) != SuppressionReason.REFUSED for key in keys):
            return None
        sent = [at for key in keys for _, at in self._sent[key]]
        if any(sum(at >= now - period for at in sent) >= most for period, most in CONFIRMATION_LIMITS):
            return None
        today = now.astimezone(UTC).date()
        taken = {occasion for occasion, _ in self._sent[mailbox.key]}
        for day in (today.isoformat(), (today + timedelta(days=1)).isoformat()):
            if day not in taken:
                self._sent[mailbox.key].append((day, now))
                return day
        return None


def store_batch(connection: Connection, batch: Batch, consented: str, now: datetime, tells: bool) -> None:
    """Store a batch. Raises sqlalchemy.exc.IntegrityError if someone has signed up since the decision.

    `tells`: publish webhook events for new subscribers.
    """
    rows = [_row(person) for person in batch.new]
    numbered = [row for row in rows if "id" in row]
    if numbered:
        _skip_numbers(connection, max(row["id"] for row in numbered))
    for part in (numbered, [row for row in rows if "id" not in row]):
        insert_rows(connection, subscribers, part)
    add_suppressions(connection, batch.suppressed)
    keys = [person.mailbox.key for person in batch.new]
    if any(person.others for person in batch.new) or batch.asked or tells:
        ids = _values_of(connection, subscribers.c.key, subscribers.c.id, keys)
        _store_others(connection, batch.new, ids)
        _queue(connection, batch.asked, ids, now)
        confirmed = [person.mailbox.key for person in batch.new if person.listed[0] is Status.CONFIRMED]
        if tells:
            publish(connection, EventType.SUBSCRIBED, now, [NewEvent(subscriber_id=ids[key]) for key in confirmed])
    _record(connection, batch, consented, now, tells)


def _record(connection: Connection, batch: Batch, consented: str, now: datetime, names_actor: bool) -> None:
    """Store an event for each person. Of a whole list, only the event of the list names its operator, whose actions
    would otherwise be a million.
    """
    by_status = defaultdict[str, list[str]](list)
    for person in batch.new:
        status = "asked" if person.mailbox.key in batch.asked else str(person.listed[0])
        by_status[status].append(event_subject(person.mailbox.key))
    for status, subjects in by_status.items():
        detail = {"consented": consented, "status": status}
        if names_actor:
            for subject in subjects:
                events.record(connection, now, subject, "imported", detail)
        else:
            events.record_each(connection, now, subjects, "imported", detail)


def _row(person: ListedPerson) -> dict[str, Any]:
    return {
        **({} if person.number is None else {"id": person.number}),
        "email": person.mailbox.address,
        "key": person.mailbox.key,
        "status": str(person.listed[0]),
        "link_version": person.link_version,
        "created_at": person.created_at,
        "changed_at": person.changed_at,
        **store.preferences_row(person.preferences),
        **_consent_row(person.consent),
    }


def _consent_row(consent: Consent) -> dict[str, Any]:
    return {name: getattr(consent, name) for name in Consent.__dataclass_fields__}


def _with_free_numbers(connection: Connection, people: list[ListedPerson]) -> list[ListedPerson]:
    """Return the same people, without numbers that others already have."""
    numbers = [person.number for person in people if person.number is not None]
    taken = _values_of(connection, subscribers.c.id, subscribers.c.id, numbers)
    twice = {number for number, count in Counter(numbers).items() if count > 1}
    free = [
        replace(person, number=None) if person.number in taken or person.number in twice else person
        for person in people
    ]
    return free if taken or twice else people


def _skip_numbers(connection: Connection, last: int) -> None:
    """Let the numbers of later subscribers follow `last`. SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        sequence = "pg_get_serial_sequence('subscribers', 'id')"
        connection.execute(
            text(f"SELECT setval({sequence}, :last) WHERE :last > coalesce(pg_sequence_last_value({sequence}), 0)"),
            {"last": last},
        )


def _store_others(connection: Connection, people: Iterable[ListedPerson], ids: Mapping[str, int]) -> None:
    rows = [
        {"subscriber_id": ids[person.mailbox.key]} | asdict(consent) for person in people for consent in person.others
    ]
    insert_rows(connection, consents, rows)


def _queue(
    connection: Connection, asked: Mapping[str, tuple[Mailbox, str]], ids: Mapping[str, int], now: datetime
) -> None:
    """Queue the confirmation emails, and store the mailboxes."""
    same = new_row(now.date(), now) | {
        "kind": str(Kind.CONFIRMATION), "due_at": now, "next_attempt_at": now, "issue_id": None
    }  # fmt: skip
    rows = [same | {"occasion": day, "recipient": key, "subscriber_id": ids[key]} for key, (_, day) in asked.items()]
    insert_rows(connection, deliveries, rows)
    spelt = [
        {"recipient": key, "mailbox": mailbox.folded_key}
        for key, (mailbox, _) in asked.items()
        if key != mailbox.folded_key
    ]
    if spelt:
        connection.execute(insert_new(connection, spellings), spelt)


def _values_of(connection: Connection, of: Any, value: Any, keys: Collection[Any]) -> dict[Any, Any]:
    """Return the values of a column by `keys` of another column."""
    if not keys:
        return {}
    query = select(of, value).where(in_list_param(connection.dialect.name, of, "keys"))
    rows = connection.execute(query, {"keys": list(keys)})
    return dict(map(tuple, rows))

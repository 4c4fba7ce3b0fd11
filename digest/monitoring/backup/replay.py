"""Repeats the changes after a backup in the restored database, from the replay logs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from digest.database.dialect import Json, in_list
from digest.database.engine import transaction
from digest.database.tables import deliveries
from digest.ledger import transitions
from digest.ledger.kinds import SkipReason, State, SuppressionReason
from digest.ledger.queueing import new_row
from digest.ledger.received import is_chosen
from digest.ledger.replay_log import Coverage, Entry
from digest.subscribers import store, subscriptions
from digest.subscribers.address_change.change import ChangeOutcome
from digest.subscribers.address_change.confirming import carry_out
from digest.subscribers.address_change.store import change_between, keys_by_former
from digest.subscribers.suppressions import SuppressionTerms, lift, suppress
from digest.text import minute_of

CLOCKS_DIFFER = timedelta(minutes=10)  # the most between two machines
_ENDS_EARLY = timedelta(minutes=75)  # more than an hour: a sign of life is missing
_AT_ONCE = 1_000


@dataclass(slots=True)
class After:
    """The changes after a backup."""

    left: dict[str, bool] = field(default_factory=dict)  # by recipient key; False: subscribed again
    moved: list[tuple[str, str]] = field(default_factory=list)  # the recipient keys of changed addresses, in order
    deleted: dict[str, str] = field(default_factory=dict)  # when, by recipient key
    suppressed: dict[str, tuple[str, str]] = field(default_factory=dict)  # reason and end; "" once lifted
    cut: set[tuple[str, str]] = field(default_factory=set)  # kind and date of each issue
    sent: dict[tuple[str, str], dict[str, list[str]]] = field(default_factory=dict)  # papers by kind, day and recipient


def summarize(entries: Iterable[Mapping[str, Any]], at: datetime) -> After:
    """Summarize the entries, some of which may be older than `at`, the time of the backup."""
    after = After()
    for entry in sorted(entries, key=lambda entry: str(entry["at"])):
        if "key" in entry:
            _add_person(after, entry, at.isoformat())
        elif entry["what"] == Entry.MOVED:
            _add_move(after, entry["old"], entry["new"])
        elif entry["what"] == Entry.CUT:
            after.cut.add((entry["kind"], entry["day"]))
        elif entry["what"] in (Entry.SENT, Entry.UNSENT):
            sent = after.sent.setdefault((entry["kind"], entry["day"]), {})
            if entry["what"] == Entry.SENT:
                sent.update(entry["to"])
            else:
                for key in entry["to"]:
                    sent.pop(key, None)
    return after


def _add_move(after: After, old: str, new: str) -> None:
    """Add a change of address. It replaced anyone at the new one, so earlier entries about them do not count."""
    after.moved.append((old, new))
    after.deleted.pop(new, None)
    after.left.pop(new, None)


def _add_person(after: After, entry: Mapping[str, Any], backup_at: str) -> None:
    key = entry["key"]
    match entry["what"]:
        case Entry.LEFT:
            after.left[key] = True
        case Entry.BACK:
            after.left[key] = False
            if key in after.deleted and after.deleted[key] < backup_at:  # the backup has a new subscription
                del after.deleted[key]
        case Entry.DELETED:
            after.deleted[key] = entry["at"]
        case Entry.SUPPRESSED:
            after.suppressed[key] = entry["reason"], entry.get("until", "")
        case Entry.LIFTED:
            after.suppressed[key] = "", ""


def why_uncovered(
    hosts: Sequence[str], at: datetime, logs: Sequence[Coverage], now: datetime, is_complete: bool
) -> str:
    """Describe the times since a backup that the logs do not cover; "" if there are none.

    `is_complete`: an operator confirmed that they end where Digest stopped.
    """
    by_host = {log.host: log for log in logs}
    gaps = []
    for host in hosts:
        log = by_host.get(host)
        if log is None:
            gaps.append(f"{host}: no replay log, so nothing from {minute_of(at)} until now")
        elif log.since > at:
            gaps.append(f"{host}: nothing from {minute_of(at)} to {minute_of(log.since)}")
        elif now - log.until > _ENDS_EARLY and not is_complete:
            gaps.append(f"{host}: nothing from {minute_of(log.until)} until now")
    gaps += [
        f"{log.host}: nothing before {minute_of(log.since)}"
        for log in logs
        if log.host not in hosts and log.has_gap and at < log.since
    ]
    return "; ".join(gaps)


@dataclass(frozen=True, slots=True)
class Repeated:
    """Numbers of people and messages that were changed in the restored database."""

    unsubscribed: int
    deleted: int
    suppressed: int
    sent: int


def repeat(engine: Engine, after: After, now: datetime) -> Repeated:
    """Repeat the changes; of addresses first, since later entries name people by the keys of the new ones."""
    unknown = {old: new for old, new in after.moved if not _move(engine, old, new, now)}
    keys = {*after.deleted, *(old for old in unknown if _last(unknown, old) in after.deleted)}
    deleted = sum(_erase(engine, key, now) for key in sorted(keys))
    unsubscribed = sum(_unsubscribe(engine, key, now) for key, has_left in after.left.items() if has_left)
    with transaction(engine) as connection:
        suppressed = sum(_suppress(connection, key, *terms, now) for key, terms in after.suppressed.items())
        moved = keys_by_former(connection)
        sent = 0
        for (kind, day), to in after.sent.items():
            also = {moved[key]: papers for key, papers in to.items() if key in moved and moved[key] not in to}
            sent += _close(connection, kind, day, {**to, **also}, now)
        sent += transitions.close_restored(connection, deliveries.c.state == State.SENDING, now)
        transitions.requeue_all_claimed(connection, now)
    return Repeated(unsubscribed, deleted, suppressed, sent)


def _move(engine: Engine, old: str, new: str, now: datetime) -> bool:
    """Repeat a change of address. False for a subscriber whose new address is unknown, since the log does not hold it
    and the backup has no request for it: they get no more email at the old one.
    """
    with transaction(engine) as connection:
        change, subscriber = change_between(connection, old, new), store.by_key(connection, old, lock=True)
        if subscriber is None or (change is not None and change.changed_at is not None):
            return True
        if change is not None and carry_out(connection, change, subscriber, now) is ChangeOutcome.CHANGED:
            return True
        subscriptions.end_subscription(connection, subscriber.id, now, "address changed after the backup")
    return False


def _last(moved: Mapping[str, str], key: str) -> str:
    """The last of the keys that one was changed to."""
    passed = {key}
    while key in moved and moved[key] not in passed:
        key = moved[key]
        passed.add(key)
    return key


def _erase(engine: Engine, key: str, now: datetime) -> bool:
    with transaction(engine) as connection:
        subscriber = store.by_key(connection, key)
    return subscriber is not None and subscriptions.erase(engine, subscriber.id, now)


def _unsubscribe(engine: Engine, key: str, now: datetime) -> bool:
    with transaction(engine) as connection:
        subscriber = store.by_key(connection, key)
    return subscriber is not None and subscriptions.unsubscribe(engine, subscriber.id, now, "after the backup")


def _suppress(connection: Connection, key: str, reason: str, until: str, now: datetime) -> bool:
    if reason:
        terms = SuppressionTerms(expires_at=datetime.fromisoformat(until) if until else None)
        return suppress(connection, key, SuppressionReason(reason), "", now, terms)
    lift(connection, key)
    return False


def _close(connection: Connection, kind: str, day: str, to: Mapping[str, Sequence[str]], now: datetime) -> int:
    """Give the deliveries of sent messages a final state, and add those that the backup does not have."""
    closed = 0
    every = list(to)
    for keys in (every[begin : begin + _AT_ONCE] for begin in range(0, len(every), _AT_ONCE)):
        mine = (
            deliveries.c.kind == kind,
            deliveries.c.occasion == day,
            in_list(connection, deliveries.c.recipient, keys),
        )
        rows = connection.execute(
            select(deliveries.c.id, deliveries.c.recipient, is_chosen().label("is_chosen")).where(*mine)
        ).all()
        papers = [{"row": row.id, "papers": _selection(to[row.recipient])} for row in rows if not row.is_chosen]
        closed += transitions.close_restored(
            connection, in_list(connection, deliveries.c.id, [row.id for row in rows]), now
        )
        if papers:
            which = (deliveries.c.id == bindparam("row"), deliveries.c.reason == SkipReason.RESTORED)
            connection.execute(
                update(deliveries).where(*which).values(selection=bindparam("papers", type_=Json)), papers
            )
        missing = [key for key in keys if key not in {row.recipient for row in rows}]
        _add(connection, kind, day, {key: to[key] for key in missing}, now)
        closed += len(missing)
    return closed


def _add(connection: Connection, kind: str, day: str, to: Mapping[str, Sequence[str]], now: datetime) -> None:
    same = new_row(datetime.fromisoformat(day).date(), now) | {
        "kind": kind,
        "due_at": now,
        "next_attempt_at": now,
        "state": str(State.SKIPPED),
        "reason": str(SkipReason.RESTORED),
        "finished_at": now,
    }
    if to:
        rows = [same | {"recipient": key, "selection": _selection(papers)} for key, papers in to.items()]
        connection.execute(insert(deliveries), rows)


def _selection(papers: Sequence[str]) -> dict[str, Any]:
    return {"picks": [[paper, ""] for paper in papers], "left_out": 0}

"""Pauses of all sending or of one destination, as all workers see them: by an operator, or by the throttle.

A row also counts failures in a row, so it may stay after its pause has ended.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, or_, select, update

from digest.database.dialect import insert_or_change
from digest.database.engine import read_only, transaction
from digest.database.tables import pauses
from digest.ledger import events

EVERYTHING = "*"  # the scope of a pause of all sending: by the circuit breaker or by hand
SETTLE = "digest settle"  # part of the reason of each pause of a restore
BREAKS_AT = 5  # failures in a row
NOT_PAUSED = datetime(1970, 1, 1, tzinfo=UTC)  # `until` of a row that only counts failures
ABOUT_US_FROM = 3  # domains
_COLUMNS = tuple(pauses.c[name] for name in ("scope", "since", "until", "reason", "failures", "refusing", "by"))
_ALL = select(*_COLUMNS)


class NotSettled(Exception):
    """All sending is waiting since a restore: resuming might send messages twice."""

    def __init__(self) -> None:
        super().__init__(
            f"Sending is paused since a restore, because messages may already have been sent. Run: {SETTLE}"
        )


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is sent to `scope`, a destination domain or EVERYTHING."""

    scope: str
    since: datetime
    until: datetime | None  # None: until it is resumed by hand
    reason: str  # the mail server's reply without addresses, or the operator's words
    failures: int = 0  # in a row
    refusing: tuple[str, ...] = ()  # the domain of each of the last refusals of a recipient, in a row
    by: str = ""  # the person who paused; "": the throttle

    @property
    def is_about_recipients(self) -> bool:
        """True if the servers of enough domains refused their recipients to blame us."""
        return len(set(self.refusing)) >= ABOUT_US_FROM

    def is_in_force(self, now: datetime) -> bool:
        return self.until is None or self.until > now


# --- by hand ---


def pause_by_hand(engine: Engine, scope: str, reason: str, now: datetime) -> None:
    """Workers see it within a second."""
    with transaction(engine) as connection:
        set_pause(connection, Pause(scope, now, None, reason, by=events.actor_name()))
        events.record(connection, now, event_subject(scope), "stopped", {"reason": reason, "until": ""})


def resume(engine: Engine, scope: str, now: datetime) -> bool:
    """End a pause of any cause; False if nothing was paused. Raises NotSettled after a restore."""
    paused = pause_of(engine, scope, now)
    if paused and SETTLE in paused.reason:
        raise NotSettled
    with transaction(engine) as connection:
        if clear(connection, scope) and paused:
            events.record(connection, now, event_subject(scope), "resumed", {})
    return paused is not None


def pause_of(engine: Engine, scope: str, now: datetime) -> Pause | None:
    """The pause in force in `scope`."""
    with read_only(engine) as connection:
        return next((pause for pause in current(connection, now) if pause.scope == scope), None)


def event_subject(scope: str) -> str:
    return "sending" if scope == EVERYTHING else f"domain:{scope}"[:80]


# --- stored ---


def current(connection: Connection, now: datetime) -> list[Pause]:
    """The pauses in force: of all sending first, then of domains by name."""
    in_force = or_(pauses.c.until.is_(None), pauses.c.until > now)
    return [_pause(row) for row in connection.execute(select(*_COLUMNS).where(in_force).order_by(pauses.c.scope))]


def all_pauses(connection: Connection) -> list[Pause]:
    """Every row, including those that only count failures or wait for a success."""
    return [_pause(row) for row in connection.execute(_ALL)]


def set_pause(connection: Connection, pause: Pause) -> None:
    """Pause a scope, or change its pause."""
    row = asdict(replace(pause, reason=pause.reason[:500]))
    del row["scope"]
    connection.execute(insert_or_change(connection, pauses, ["scope"], row).values(scope=pause.scope, **row))


def clear(connection: Connection, scope: str) -> bool:
    """End a pause and forget its failures; False if there was no row."""
    return connection.execute(delete(pauses).where(pauses.c.scope == scope)).rowcount == 1


def locked(connection: Connection, scope: str, now: datetime) -> Pause:
    """The row of a scope, locked until the transaction ends. Lock several in the order of their names."""
    nothing = asdict(Pause(scope, now, NOT_PAUSED, ""))
    row = insert_or_change(connection, pauses, ["scope"], {"scope": scope}).values(nothing).returning(*_COLUMNS)
    return _pause(connection.execute(row).one())


def forget_failures(connection: Connection, scopes: Collection[str], now: datetime) -> None:
    """After a success. Neither ends a pause in force nor closes a breaker that waits for the message of its trial."""
    counting = or_(pauses.c.scope != EVERYTHING, pauses.c.failures < BREAKS_AT)
    connection.execute(delete(pauses).where(pauses.c.scope.in_(scopes), pauses.c.until <= now, counting))


def win_trial(connection: Connection, ended: Pause, until: datetime) -> bool:
    """Take the right to try one message after a pause; False if another worker has it."""
    same = (pauses.c.scope == ended.scope, pauses.c.until == ended.until, pauses.c.failures == ended.failures)
    return connection.execute(update(pauses).where(*same).values(until=until)).rowcount == 1


def end_trial(connection: Connection, scope: str, until: datetime) -> bool:
    """End the pause after a successful trial; False if that trial is not in force any more."""
    return connection.execute(delete(pauses).where(pauses.c.scope == scope, pauses.c.until == until)).rowcount == 1


def _pause(row: Any) -> Pause:
    """From a row of _COLUMNS."""
    scope, since, until, reason, failures, refusing, by = row
    return Pause(scope, since, until, reason, failures, tuple(refusing), by or "")

"""Where no mail is sent at present, and how many mails a day of a warm-up took. What follows is for mail/flow*.py."""

from collections.abc import Collection
from datetime import date, datetime

from sqlalchemy import Connection, delete, func, or_, select, update

from digest.database.dialect import insert_or_change
from digest.database.tables import pauses, sent_days
from digest.mail.throttle.limits import BREAKS_AT, EVERYTHING, NOT_PAUSED, Pause

_COLUMNS = (pauses.c.scope, pauses.c.since, pauses.c.until, pauses.c.reason, pauses.c.failures)


def current(connection: Connection, now: datetime) -> list[Pause]:
    """The pauses in force: of all sending first, then of domains by name."""
    in_force = or_(pauses.c.until.is_(None), pauses.c.until > now)
    return [Pause(*row) for row in connection.execute(select(*_COLUMNS).where(in_force).order_by(pauses.c.scope))]


def all_pauses(connection: Connection) -> list[Pause]:
    """Every row, also what only counts failures or has ended and waits for a success."""
    return [Pause(*row) for row in connection.execute(select(*_COLUMNS))]


def set_pause(connection: Connection, pause: Pause) -> None:
    """Pause a scope, or change what is known of it."""
    row = {"since": pause.since, "until": pause.until, "reason": pause.reason[:500], "failures": pause.failures}
    connection.execute(insert_or_change(connection, pauses, ["scope"], row).values(scope=pause.scope, **row))


def clear(connection: Connection, scope: str) -> bool:
    """End a pause by hand and forget its failures; False when nothing was known of the scope."""
    return connection.execute(delete(pauses).where(pauses.c.scope == scope)).rowcount == 1


def locked(connection: Connection, scope: str, now: datetime) -> Pause:
    """What is known of a scope, held until the transaction ends. Lock several in the order of their names."""
    nothing = {"scope": scope, "since": now, "until": NOT_PAUSED, "reason": "", "failures": 0}
    row = insert_or_change(connection, pauses, ["scope"], {"scope": scope}).values(nothing).returning(*_COLUMNS)
    return Pause(*connection.execute(row).one())


def forget_mended(connection: Connection, scopes: Collection[str], now: datetime) -> None:
    """After a success: forget failures, but neither a pause in force nor a breaker that one mail has yet to close."""
    counting = or_(pauses.c.scope != EVERYTHING, pauses.c.failures < BREAKS_AT)
    connection.execute(delete(pauses).where(pauses.c.scope.in_(scopes), pauses.c.until <= now, counting))


def win_trial(connection: Connection, ended: Pause, until: datetime) -> bool:
    """Take the one mail that may be tried after a pause, for as long as `until`; False when another worker has it."""
    same = (pauses.c.scope == ended.scope, pauses.c.until == ended.until, pauses.c.failures == ended.failures)
    return connection.execute(update(pauses).where(*same).values(until=until)).rowcount == 1


def end_trial(connection: Connection, scope: str, until: datetime) -> bool:
    """The trial that lasts `until` went well: the pause is over. False when it is not in force any more."""
    mine = (pauses.c.scope == scope, pauses.c.until == until)
    return connection.execute(delete(pauses).where(*mine)).rowcount == 1


def sent_on(connection: Connection, day: date) -> int:
    """How many mails the day took, those on their way included."""
    return connection.execute(select(sent_days.c.mails).where(sent_days.c.day == day)).scalar() or 0


def take_from_day(connection: Connection, day: date, wanted: int, limit: int) -> int:
    """Count up to `wanted` mails, as many as the day's `limit` still has room for. Returns how many."""
    row = (
        insert_or_change(connection, sent_days, ["day"], {"day": day})
        .values(day=day, mails=0)
        .returning(sent_days.c.mails)
    )
    sent: int = connection.execute(row).scalar_one()
    granted = max(0, min(wanted, limit - sent))
    if granted:
        connection.execute(update(sent_days).where(sent_days.c.day == day).values(mails=sent + granted))
    return granted


def give_back_to_day(connection: Connection, day: date, mails: int) -> None:
    """Mails that were counted and not accepted leave room for others."""
    left = sent_days.c.mails - mails
    floor = func.max if connection.dialect.name == "sqlite" else func.greatest
    connection.execute(update(sent_days).where(sent_days.c.day == day).values(mails=floor(left, 0)))

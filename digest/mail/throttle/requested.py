"""Counts the messages that someone asked for within an hour, of all workers together.

An attempt counts even if the recipient is refused: strangers can ask for mail to any number of invented addresses.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, func, select, update

from digest.database.dialect import Instant, insert_or_change, lock_rows_of
from digest.database.tables import sent_requests
from digest.mail.throttle.limits import Limits

_HOUR = timedelta(hours=1)
_INTERVAL = timedelta(minutes=5)  # the count may include what is up to so much older than an hour
_WITHIN_HOUR = select(func.sum(sent_requests.c.mails)).where(
    sent_requests.c.since > bindparam("after", type_=Instant()),
    sent_requests.c.since <= bindparam("until", type_=Instant()),
)


def requested_within_hour(connection: Connection, now: datetime) -> int:
    """Including those that are on the wire."""
    return connection.execute(_WITHIN_HOUR, {"after": now - _HOUR - _INTERVAL, "until": now}).scalar() or 0


def why_hour_full(connection: Connection, limits: Limits, now: datetime) -> str:
    """The reason, for the operator, why requested messages wait; "" while the hour has room."""
    limit = limits.requested_limit(now.astimezone(UTC).date())
    return hour_full(limit) if requested_within_hour(connection, now) >= limit else ""


def hour_full(limit: int) -> str:
    return f"the {limit} messages that people may ask for in an hour are sent (DIGEST_REQUESTED_PER_HOUR)"


def reserve_requested(connection: Connection, now: datetime, wanted: int, limit: int) -> int:
    """Count up to `wanted` messages, as many as this hour's `limit` still has room for. Returns how many."""
    lock_rows_of(connection, sent_requests)
    granted = max(0, min(wanted, limit - requested_within_hour(connection, now)))
    if granted:
        more = {"mails": sent_requests.c.mails + granted}
        row = insert_or_change(connection, sent_requests, ["since"], more)
        connection.execute(row.values(since=_interval(now), mails=granted))
        connection.execute(delete(sent_requests).where(sent_requests.c.since <= now - _HOUR - _INTERVAL))
    return granted


def give_back_requested(connection: Connection, now: datetime, unsent: int) -> None:
    """Make room again for messages whose recipient the mail server was not told."""
    left = sent_requests.c.mails - unsent
    floor = func.max if connection.dialect.name == "sqlite" else func.greatest
    of_now = sent_requests.c.since == _interval(now)
    connection.execute(update(sent_requests).where(of_now).values(mails=floor(left, 0)))


def _interval(now: datetime) -> datetime:
    """The start of the interval that `now` is in."""
    now = now.astimezone(UTC)
    return now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)

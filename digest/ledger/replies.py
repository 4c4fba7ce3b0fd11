"""Counts the replies of mail servers, by day, destination and class.

Only the domains with the most subscribers are named, so that strangers, who can ask for mail to any address, cannot
fill the table; and none with few subscribers, since it may tell who they are.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from enum import StrEnum

from sqlalchemy import Connection, bindparam, delete, func, select

from digest.database.dialect import insert_or_change
from digest.database.tables import destinations, reply_counts

NAMED_DOMAINS = 20
OTHER = "other"


class ReplyClass(StrEnum):
    """The reply to a message. `NONE`: it may have been sent, but the connection ended before the reply."""

    ACCEPTED = "2xx"
    DEFERRED = "4xx"
    REFUSED = "5xx"
    NONE = "none"


def reply_class(code: int | None) -> ReplyClass:
    """Returns NONE also for a code that no server may give here."""
    digit = (code or 0) // 100
    return ReplyClass(f"{digit}xx") if digit in (2, 4, 5) else ReplyClass.NONE


def name_destinations(connection: Connection, largest: Sequence[tuple[str, int]]) -> None:
    """Store which domains are counted by name from now on, with their confirmed subscribers."""
    rows = [{"domain": domain, "subscribers": count} for domain, count in sorted(largest[:NAMED_DOMAINS])]
    named = [row["domain"] for row in rows]
    connection.execute(delete(destinations).where(destinations.c.domain.not_in(named)))
    if rows:  # changed in place: another scheduler may do the same
        connection.execute(insert_or_change(connection, destinations, ["domain"]), rows)


def count_replies(connection: Connection, day: date, replies: Mapping[tuple[str, ReplyClass], int]) -> None:
    """Add replies, by domain and class, to those of a day."""
    if not replies:
        return
    named = set(connection.scalars(select(destinations.c.domain)))
    counts: Counter[tuple[str, str]] = Counter()
    for (domain, reply), count in replies.items():
        counts[domain if domain in named else OTHER, reply] += count
    more = {"replies": reply_counts.c.replies + bindparam("more")}
    row = insert_or_change(connection, reply_counts, ["day", "domain", "reply"], more)
    row = row.values(day=day, domain=bindparam("to"), reply=bindparam("answer"), replies=bindparam("more"))
    # Sorted, so that two workers lock the rows in the same order.
    values = [{"to": domain, "answer": reply, "more": count} for (domain, reply), count in sorted(counts.items())]
    connection.execute(row, values)


def replies_to(connection: Connection) -> dict[tuple[str, ReplyClass], int]:
    """All replies counted so far, of the domains that have a name now and of OTHER. No count ever goes down."""
    named = select(destinations.c.domain)
    query = (
        select(reply_counts.c.domain, reply_counts.c.reply, func.sum(reply_counts.c.replies))
        .where(reply_counts.c.domain.in_(named) | (reply_counts.c.domain == OTHER))
        .group_by(reply_counts.c.domain, reply_counts.c.reply)
    )
    return {(domain, ReplyClass(reply)): int(count) for domain, reply, count in connection.execute(query)}


def replies_since(connection: Connection, day: date) -> dict[str, Counter[ReplyClass]]:
    """The replies from a day (UTC) on, by domain, and OTHER for those of domains that had no name then."""
    columns = (reply_counts.c.domain, reply_counts.c.reply)
    query = select(*columns, func.sum(reply_counts.c.replies)).where(reply_counts.c.day >= day).group_by(*columns)
    replies: dict[str, Counter[ReplyClass]] = defaultdict(Counter)
    for domain, reply, count in connection.execute(query):
        replies[domain][ReplyClass(reply)] += int(count)
    return dict(replies)


def named_destinations(connection: Connection) -> dict[str, int]:
    """The domains that are counted by name, with their confirmed subscribers as of the last hour."""
    return {row.domain: row.subscribers for row in connection.execute(select(destinations))}

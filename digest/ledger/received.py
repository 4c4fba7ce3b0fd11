"""Reads which papers a recipient received or still may, and which issues they had before.

The papers of a message are stored as their ranks in its issue, all that later claims for its recipient have to read:

    2 bytes: their number, and above it whether ranks are wide; then 2 bytes for each rank, or 4 if one needs them

The rest belongs to issues/selection/picks.py.
"""

import struct
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, func, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from digest.database.dialect import in_list, in_list_param
from digest.database.tables import deliveries
from digest.ledger.deliveries import Delivery, may_arrive
from digest.ledger.kinds import WITH_PAPERS, SkipReason, State

_WIDE = 1 << 15
_LARGEST = 0xFFFF  # of a rank that is not wide


@dataclass(slots=True)
class AlreadySent:
    """The ids of papers that one recipient received or still may, and whether more are being chosen."""

    papers: set[str]
    being_chosen: bool = False
    withheld_since: date | None = None  # the first day since their last message on which too few papers were worth it


def already_sent(
    connection: Connection,
    claims: Sequence[Delivery],
    worker: str,
    since: date,
    papers_of: Callable[[int], Mapping[int, str]],
) -> dict[str, AlreadySent]:
    """By recipient, the papers of their other deliveries of occasions from `since` on.

    `papers_of`: the ids of an issue's papers by rank. A delivery that another worker has claimed will hold papers that
    are not known yet (`being_chosen`). Claims are committed before anything is chosen, so at least one of two workers
    sees the other's. The same query finds the days on which they got no email because too few papers were worth it.
    """
    sent = {claim.recipient: AlreadySent(set()) for claim in claims}
    values = {"recipients": list(sent), "since": since.isoformat(), "me": worker}
    rows = connection.execute(_deliveries_to(connection.dialect.name), values).all()
    mine = {claim.id for claim in claims}  # left out here: PostgreSQL would look each row up in a list
    last_sent: dict[str, str] = {}
    withheld: list[tuple[str, str]] = []
    for delivery_id, recipient, occasion, reason, issue_id, picks, selection in rows:
        if delivery_id in mine:
            continue
        if reason == SkipReason.TOO_FEW:
            withheld.append((occasion, recipient))
        elif picks is None and selection is None:
            sent[recipient].being_chosen = True
        else:
            papers = sent[recipient].papers
            if picks is not None:
                papers.update(filter(None, map(papers_of(issue_id).get, ranks_of(picks))))
            else:
                papers.update(pick[0] for pick in selection["picks"])
            last_sent[recipient] = max(occasion, last_sent.get(recipient, ""))
    for occasion, recipient in sorted(withheld, reverse=True):
        if occasion > last_sent.get(recipient, ""):
            sent[recipient].withheld_since = date.fromisoformat(occasion)
    return sent


@cache
def _deliveries_to(dialect: str) -> Select[Any]:
    # Building this statement takes longer than running it.
    chosen_elsewhere = and_(deliveries.c.state == State.CLAIMED, deliveries.c.worker != bindparam("me"))
    with_papers = and_(may_arrive(), or_(is_chosen(), chosen_elsewhere))
    names = ("id", "recipient", "occasion", "reason", "issue_id", "picks", "selection")
    columns = tuple(deliveries.c[name] for name in names)
    return select(*columns).where(
        in_list_param(dialect, deliveries.c.recipient, "recipients"),
        deliveries.c.occasion >= bindparam("since"),
        or_(with_papers, _is_skipped(SkipReason.TOO_FEW)),
        deliveries.c.kind.in_(WITH_PAPERS),
    )


def is_chosen() -> ColumnElement[bool]:
    """True if the papers of the message were chosen."""
    return or_(deliveries.c.picks.is_not(None), deliveries.c.selection.is_not(None))


def store_picks(connection: Connection, picks: Mapping[int, bytes | None]) -> None:
    """Store the papers chosen for deliveries, by delivery id; where there are none, the row stays as it is."""
    change = update(deliveries).where(deliveries.c.id == bindparam("row")).values(picks=bindparam("chosen"))
    if rows := [{"row": row, "chosen": chosen} for row, chosen in picks.items() if chosen is not None]:
        connection.execute(change, rows)


def last_issue_mails(connection: Connection, recipients: Collection[str], before: date) -> dict[str, date]:
    """By recipient, the occasion of their last issue before a date; those without one are omitted."""
    query = (
        select(deliveries.c.recipient, func.max(deliveries.c.occasion))
        .where(
            in_list(connection, deliveries.c.recipient, recipients),
            deliveries.c.occasion < before.isoformat(),
            may_arrive(),
            deliveries.c.kind.in_(WITH_PAPERS),
        )
        .group_by(deliveries.c.recipient)
    )
    return {recipient: date.fromisoformat(occasion) for recipient, occasion in connection.execute(query)}


def _is_skipped(reason: SkipReason) -> ColumnElement[bool]:
    return and_(deliveries.c.state == State.SKIPPED, deliveries.c.reason == reason)


def days_without(connection: Connection, recipient: str, since: date, reason: SkipReason) -> list[date]:
    """The occasions from `since` on that brought no email for this reason, oldest first."""
    query = select(deliveries.c.occasion).where(
        deliveries.c.recipient == recipient,
        deliveries.c.kind.in_(WITH_PAPERS),
        deliveries.c.occasion >= since.isoformat(),
        _is_skipped(reason),
    )
    return [date.fromisoformat(day) for day in connection.scalars(query.order_by(deliveries.c.occasion))]


# --- ranks, packed ---


def packed_ranks(ranks: Sequence[int]) -> bytes:
    head = len(ranks) | (_WIDE if max(ranks, default=0) > _LARGEST else 0)
    return _layout(head).pack(head, *ranks)


def ranks_of(stored: bytes) -> tuple[int, ...]:
    """The ranks in order."""
    return _layout(_head_of(stored)).unpack_from(stored)[1:]


def ranks_alone(stored: bytes) -> bytes:
    return stored[: len(stored) - len(after_ranks(stored))]


def after_ranks(stored: bytes) -> bytes:
    """The bytes after the ranks; empty once they were erased."""
    return stored[_layout(_head_of(stored)).size :]


def _head_of(stored: bytes) -> int:
    return stored[0] | stored[1] << 8


@cache
def _layout(head: int) -> struct.Struct:
    return struct.Struct(f"<H{head & ~_WIDE}{'I' if head & _WIDE else 'H'}")

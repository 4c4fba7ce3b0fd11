"""How the recipients of claimed deliveries stand: their reader, whether they are suppressed, how their issue is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, select

from digest.issues.issue import IssueStatus
from digest.store.deliveries import Delivery
from digest.store.dialect import among_given
from digest.store.subscribers import READER, reader_of
from digest.store.tables import issues, subscribers, suppressions
from digest.subscribers.subscriber import Reader


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides whether a delivery is still wanted."""

    reader: Reader | None  # None once erased
    suppressed: bool
    issue_status: IssueStatus | None  # None for a mail that belongs to no issue


def standing(connection: Connection, claims: Sequence[Delivery]) -> dict[int, Standing]:
    """For each delivery id how its recipient stands."""
    readers_among, suppressed_among, issues_among = _questions(connection.dialect.name)
    ids = {claim.subscriber_id for claim in claims if claim.subscriber_id is not None}
    rows = connection.execute(readers_among, {"given": list(ids)})
    readers = {reader.id: reader for reader in map(reader_of, rows.all())}
    keys = {claim.recipient for claim in claims}
    suppressed = set(connection.scalars(suppressed_among, {"given": list(keys)}))
    issue_ids = {claim.issue_id for claim in claims if claim.issue_id is not None}
    statuses = {
        number: IssueStatus(status) for number, status in connection.execute(issues_among, {"given": list(issue_ids)})
    }
    return {
        claim.id: Standing(
            reader=readers.get(claim.subscriber_id or 0),
            suppressed=claim.recipient in suppressed,
            issue_status=statuses[claim.issue_id] if claim.issue_id is not None else None,
        )
        for claim in claims
    }


@cache
def _questions(dialect: str) -> tuple[Select[Any], Select[Any], Select[Any]]:
    """Built once: to build them takes longer than to ask them."""
    return (
        select(*READER).where(among_given(dialect, subscribers.c.id, "given")),
        select(suppressions.c.key).where(among_given(dialect, suppressions.c.key, "given")),
        select(issues.c.id, issues.c.status).where(among_given(dialect, issues.c.id, "given")),
    )

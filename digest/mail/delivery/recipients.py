"""How the recipients of claimed deliveries stand: their reader, whether they are suppressed, how their issue is."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, select

from digest.database.dialect import in_list_param
from digest.database.tables import issues, subscribers, suppressions
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import IssueStatus
from digest.subscribers.store import READER, reader_of
from digest.subscribers.subscriber import Recipient


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """What decides whether a delivery is still wanted."""

    reader: Recipient | None  # None once erased
    suppressed: bool
    issue_status: IssueStatus | None  # None for a mail that belongs to no issue


def recipient_statuses(connection: Connection, claims: Sequence[Delivery]) -> dict[int, RecipientStatus]:
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
        claim.id: RecipientStatus(
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
        select(*READER).where(in_list_param(dialect, subscribers.c.id, "given")),
        select(suppressions.c.key).where(in_list_param(dialect, suppressions.c.key, "given")),
        select(issues.c.id, issues.c.status).where(in_list_param(dialect, issues.c.id, "given")),
    )

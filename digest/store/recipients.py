"""How the recipients of claimed deliveries stand: their reader, whether they are suppressed, how their issue is."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from digest.issues.issue import IssueStatus
from digest.store.deliveries import Delivery
from digest.store.dialect import among
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
    ids = {claim.subscriber_id for claim in claims if claim.subscriber_id is not None}
    rows = connection.execute(select(*READER).where(among(connection, subscribers.c.id, ids)))
    readers = {reader.id: reader for reader in map(reader_of, rows.all())}
    keys = {claim.recipient for claim in claims}
    suppressed = set(connection.scalars(select(suppressions.c.key).where(among(connection, suppressions.c.key, keys))))
    issue_ids = {claim.issue_id for claim in claims if claim.issue_id is not None}
    found = connection.execute(select(issues.c.id, issues.c.status).where(issues.c.id.in_(issue_ids)))
    statuses = {issue_id: IssueStatus(status) for issue_id, status in found}
    return {
        claim.id: Standing(
            reader=readers.get(claim.subscriber_id or 0),
            suppressed=claim.recipient in suppressed,
            issue_status=statuses[claim.issue_id] if claim.issue_id is not None else None,
        )
        for claim in claims
    }

"""Stores reports about the sender's domain, each of them once."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, select

from digest.bounces.domains.reading import DomainReportKind, DomainSummary
from digest.database.dialect import insert_new
from digest.database.tables import domain_reports


def store(connection: Connection, summaries: Sequence[DomainSummary], now: datetime) -> None:
    for summary in summaries:
        row = asdict(summary) | {"kind": summary.kind.value, "taken_in_at": now}
        connection.execute(insert_new(connection, domain_reports).values(**row))


def newest(connection: Connection, domain: str, limit: int) -> list[DomainSummary]:
    """Return the newest reports, by the end of their period, of one domain, or of all domains for ""."""
    columns = [column for column in domain_reports.c if column.name not in ("id", "taken_in_at")]
    query = select(*columns).order_by(domain_reports.c.ends_at.desc(), domain_reports.c.id.desc()).limit(limit)
    if domain:
        query = query.where(domain_reports.c.domain == domain)
    return [DomainSummary(DomainReportKind(row.kind), *tuple(row)[1:]) for row in connection.execute(query)]

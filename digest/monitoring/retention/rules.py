"""Rules for the rows that are too old, table by table.

Never deleted: deliveries that may still change or whose papers a later issue must not repeat, subscribers, their
consents, suppressions, and actions of people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, exists, func, not_, or_, select, text, tuple_

from digest.database.tables import (
    cards,
    collections,
    deliveries,
    events,
    fragments,
    issue_papers,
    issue_schedule,
    issue_totals,
    issues,
    subscribers,
    votes,
    webhook_endpoints,
    webhook_events,
)
from digest.database.tables.ledger import BY_PEOPLE
from digest.ledger import totals
from digest.ledger.kinds import State
from digest.settings import Settings
from digest.subscribers.erasing import TRACES


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """The rule for the rows of `table` that are too old. `key`: its primary key."""

    table: Table
    which: ColumnElement[bool]
    key: Sequence[Any] = ()  # not needed for a table with an id

    def count(self, connection: Connection) -> int:
        return connection.execute(select(func.count()).select_from(self.table).where(self.which)).scalar_one()

    def delete_some(self, connection: Connection, limit: int, after: int = 0) -> tuple[int, int]:
        """Delete up to `limit` of them, with an id above `after`. Returns how many, and the last id."""
        number = self.table.c.get("id")
        if number is not None:
            # In the order of the ids, and never from the start again, where PostgreSQL still has the deleted rows.
            some = select(number).where(self.which, number > after).order_by(number).limit(limit)
            ids = connection.scalars(delete(self.table).where(number.in_(some)).returning(number)).all()
            return len(ids), max(ids, default=after)
        rows = select(*self.key).where(self.which).limit(limit)
        return connection.execute(delete(self.table).where(tuple_(*self.key).in_(rows))).rowcount, after


def rules(connection: Connection, settings: Settings, now: datetime) -> list[RetentionRule]:
    """Return the rules for today."""
    return [
        *_ledger(connection, settings.keep_deliveries_days, now),
        _events(connection, settings.keep_events_days, now),
        _votes(settings.keep_votes_days, now),
        *_rendered(connection, settings.keep_rendered_days, now),
        _readings(settings.keep_readings_days, now),
        _webhooks(settings.keep_webhooks_days, now),
    ]


def days_by_table(settings: Settings) -> Mapping[str, int]:
    """Return the days that each table is kept."""
    return {
        deliveries.name: settings.keep_deliveries_days,
        issue_schedule.name: settings.keep_deliveries_days,
        events.name: settings.keep_events_days,
        votes.name: settings.keep_votes_days,
        issue_papers.name: settings.keep_ranking_days,
        fragments.name: settings.keep_rendered_days,
        cards.name: settings.keep_rendered_days,
        collections.name: settings.keep_readings_days,
        webhook_events.name: settings.keep_webhooks_days,
    }


def _ledger(connection: Connection, days: int, now: datetime) -> list[RetentionRule]:
    """Rules for the rows of issues whose sums are stored and can no longer change."""
    uncounted, unfinished = totals.uncounted_issues(connection), totals.unfinished_issues(connection)
    is_old = issues.c.date < (now - timedelta(days=days)).date()
    has_rows = exists().where(deliveries.c.issue_id == issues.c.id)
    whole = issues.c.id.not_in({*uncounted, *unfinished, *_quarantined(connection)})
    ids = list(connection.scalars(select(issues.c.id).where(is_old, whole, has_rows).order_by(issues.c.id)))
    return [
        RetentionRule(deliveries, deliveries.c.issue_id.in_(ids)),
        RetentionRule(
            issue_schedule, issue_schedule.c.issue_id.in_(ids), [issue_schedule.c.issue_id, issue_schedule.c.at]
        ),
    ]


def _quarantined(connection: Connection) -> list[int]:
    """Select issues with a delivery that an operator can queue again."""
    sums = select(issue_totals.c.issue_id).where(issue_totals.c.state == State.QUARANTINED)
    return list(
        connection.scalars(sums.group_by(issue_totals.c.issue_id).having(func.sum(issue_totals.c.deliveries) > 0))
    )


def _events(connection: Connection, days: int, now: datetime) -> RetentionRule:
    by_people: Any = text(BY_PEOPLE[connection.dialect.name])
    of_somebody = exists().where("subscriber:" + subscribers.c.key == events.c.subject)
    needed = or_(by_people, events.c.subject.startswith("issue:"), events.c.subject == TRACES, of_somebody)
    return RetentionRule(events, and_(events.c.at < now - timedelta(days=days), not_(needed)))


def _votes(days: int, now: datetime) -> RetentionRule:
    earlier, later = votes.alias("earlier"), votes.alias("later")
    key = [votes.c.paper_id, votes.c.source, votes.c.observed_at]
    same = [[other.c.paper_id == votes.c.paper_id, other.c.source == votes.c.source] for other in (earlier, later)]
    between = and_(
        exists().where(*same[0], earlier.c.observed_at < votes.c.observed_at, earlier.c.upvotes <= votes.c.upvotes),
        exists().where(*same[1], later.c.observed_at > votes.c.observed_at, later.c.upvotes >= votes.c.upvotes),
    )
    return RetentionRule(votes, and_(votes.c.observed_at < now - timedelta(days=days), between), key)


def _rendered(connection: Connection, days: int, now: datetime) -> list[RetentionRule]:
    unfinished = {*totals.unfinished_issues(connection), *_quarantined(connection)}
    old = select(issues.c.id).where(issues.c.date < (now - timedelta(days=days)).date(), issues.c.id.not_in(unfinished))
    keys = {fragments: ("issue_id", "language"), cards: ("issue_id", "language", "paper_id")}
    return [
        RetentionRule(table, table.c.issue_id.in_(old), [table.c[name] for name in key]) for table, key in keys.items()
    ]


def _readings(days: int, now: datetime) -> RetentionRule:
    newest = select(func.max(collections.c.id)).group_by(collections.c.source)
    is_old = collections.c.started_at < now - timedelta(days=days)
    return RetentionRule(collections, and_(is_old, collections.c.id.not_in(newest)))


def _webhooks(days: int, now: datetime) -> RetentionRule:
    """A rule for events some time after their end, or after their endpoint was disabled."""
    before = now - timedelta(days=days)
    disabled = select(webhook_endpoints.c.id).where(webhook_endpoints.c.disabled_at < before)
    is_old = or_(webhook_events.c.finished_at < before, webhook_events.c.endpoint_id.in_(disabled))
    return RetentionRule(webhook_events, is_old)

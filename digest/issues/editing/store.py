"""Stores editorial choices, as long as their issue is not cut. One transaction decides which of the two comes first."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, func, or_, select

from digest.database.dialect import insert_or_change, lock_rows_of
from digest.database.engine import transaction
from digest.database.tables import editorial_choices, papers
from digest.issues.editing.choices import Choice, EditorialChoice
from digest.issues.store import issue_id_on
from digest.ledger import events
from digest.ledger.kinds import IssueKind

MOST_PINNED = 10  # papers of one date: no subscriber's list should hold nothing else
LONGEST_REASON = 200
_FURTHEST = timedelta(days=366)
_LONGEST_RETURN = 31  # days for which a postponed paper may be in pools again, which are those of the longest pool
_KEY = ("issue_date", "paper_id")
_COLUMNS = tuple(column.name for column in editorial_choices.columns)


class BadChoice(ValueError):
    """The choice cannot be made; the message says why. Nothing has changed."""


class IssueWasCut(BadChoice):
    """The issue of that date is cut, so that its list can't change any more."""


def choices_of(connection: Connection, day: date) -> list[EditorialChoice]:
    """All choices that may matter for the issues of `day`: those for that date, and earlier postponements."""
    table = editorial_choices.c
    earlier = (table.until > day - timedelta(days=_LONGEST_RETURN)) & (table.issue_date < day)
    query = select(editorial_choices).where(or_(table.issue_date == day, earlier))
    return [_choice(row) for row in connection.execute(query.order_by(table.issue_date, table.at, table.paper_id))]


def choose(engine: Engine, wanted: EditorialChoice, dry_run: bool = False) -> bool:
    """Store a choice in place of an earlier one about the same paper and date; False if it was made already.

    Raises BadChoice.
    """
    with transaction(engine) as connection:
        _lock_uncut(connection, wanted.issue_date, wanted.at)
        same_day = {choice.paper_id: choice for choice in choices_of(connection, wanted.issue_date)}
        before = same_day.get(wanted.paper_id)
        _check(connection, wanted, list(same_day.values()))
        if before and (before.issue_date, before.choice, before.until, before.reason) == (
            wanted.issue_date, wanted.choice, wanted.until, wanted.reason
        ):  # fmt: skip
            return False
        if dry_run:
            return True
        row = {name: getattr(wanted, name) for name in _COLUMNS}
        if before and before.choice is wanted.choice is Choice.PINNED and before.issue_date == wanted.issue_date:
            row["at"] = before.at  # another reason does not move it down
        connection.execute(insert_or_change(connection, editorial_choices, _KEY), row | {"choice": str(wanted.choice)})
        detail = {"paper": wanted.paper_id, "reason": wanted.reason}
        detail |= {"until": wanted.until.isoformat()} if wanted.until else {}
        events.record(connection, wanted.at, f"issue:{wanted.issue_date}", f"paper {wanted.choice}", detail)
    return True


def undo(
    engine: Engine, day: date, paper_id: str, now: datetime, reason: str = "", dry_run: bool = False
) -> EditorialChoice | None:
    """Take back the choice about a paper that is in force for the issues of `day`; None if there is none.

    A postponement that earlier issues have obeyed ends with this date. Raises BadChoice.
    """
    with transaction(engine) as connection:
        _lock_uncut(connection, day, now)
        found = [choice for choice in choices_of(connection, day) if choice.paper_id == paper_id]
        undone = next((choice for choice in reversed(found) if choice.is_in_force(day)), None)
        if undone is None or dry_run:
            return undone
        table = editorial_choices.c
        row = (table.issue_date == undone.issue_date) & (table.paper_id == paper_id)
        if undone.issue_date == day:
            connection.execute(delete(editorial_choices).where(row))
        else:
            connection.execute(editorial_choices.update().where(row).values(until=day))
        detail = {"paper": paper_id, "was": str(undone.choice), "reason": reason}
        events.record(connection, now, f"issue:{day}", "choice undone", detail)
    return undone


def lock_choices(connection: Connection) -> None:
    """Until the end of the transaction nobody else can make a choice, or cut an issue."""
    lock_rows_of(connection, editorial_choices)


def forget_old_choices(connection: Connection, before: date) -> None:
    """Delete the choices that no issue from `before` on can depend on, so that few are ever read."""
    table = editorial_choices.c
    last = func.coalesce(table.until, table.issue_date)
    connection.execute(delete(editorial_choices).where(last < before - timedelta(days=_LONGEST_RETURN)))


def _lock_uncut(connection: Connection, day: date, now: datetime) -> None:
    """Raises BadChoice if no issue of `day` will be cut any more."""
    lock_choices(connection)
    if issue_id_on(connection, IssueKind.DAILY, day) is not None:
        raise IssueWasCut(f"the issue of {day} is cut, so its list can't change any more")
    if day < now.date():
        raise BadChoice(f"no issue of {day} will be cut: that date is over")
    if day > now.date() + _FURTHEST:
        raise BadChoice(f"{day} is more than a year away")


def _check(connection: Connection, wanted: EditorialChoice, stored: list[EditorialChoice]) -> None:
    """Raises BadChoice."""
    row = connection.execute(select(papers.c.withdrawn_at).where(papers.c.id == wanted.paper_id)).one_or_none()
    if row is None:
        raise BadChoice(f"there is no paper {wanted.paper_id}")
    day, until = wanted.issue_date, wanted.until
    if wanted.choice is Choice.POSTPONED and (until is None or not day < until <= day + _FURTHEST):
        raise BadChoice(f"a paper is postponed to a date after {day}, at most a year later")
    if wanted.choice is not Choice.PINNED:
        return
    if row.withdrawn_at is not None:
        raise BadChoice(f"{wanted.paper_id} was withdrawn, so no issue can have it")
    pinned = {each.paper_id for each in stored if each.issue_date == day and each.choice is Choice.PINNED}
    if len(pinned | {wanted.paper_id}) > MOST_PINNED:
        raise BadChoice(f"{MOST_PINNED} papers are pinned for {day} already, which is the most that an issue has")


def _choice(row: Row[Any]) -> EditorialChoice:
    return EditorialChoice(**dict(row._mapping) | {"choice": Choice(row.choice)})

"""Withdrawing an issue: what is unsent is cancelled, and no page or feed shows it. Its papers stay in the archive."""

from datetime import datetime

from sqlalchemy import Connection, Engine, select

from digest.database.engine import transaction
from digest.database.tables import deliveries
from digest.issues.issue import Issue
from digest.issues.store import issue_by_id, set_status, set_withdrawn
from digest.ledger import events, transitions
from digest.ledger.kinds import IssueKind, IssueStatus, State

WITHDRAWN = "withdrawn"  # the event
_UNSENT = (State.QUEUED, State.CLAIMED, State.SENDING, State.UNCERTAIN, State.QUARANTINED)


def withdraw(engine: Engine, issue_id: int, reason: str, now: datetime) -> bool:
    """Take an issue off the site, and cancel it unless every message of it is finished; False if it was off before.

    An issue that every subscriber got stays as it is, so that show_again() brings all of it back.
    """
    with transaction(engine) as connection:
        if not set_withdrawn(connection, issue_id, now):
            return False
        if is_unsent(connection, issue_id) and set_status(connection, issue_id, IssueStatus.CANCELLED):
            transitions.skip_cancelled(connection, now)
        _record(connection, issue_id, WITHDRAWN, now, reason)
    return True


def show_again(engine: Engine, issue_id: int, now: datetime) -> bool:
    """Undo withdraw() on the site; a cancelled issue stays cancelled. False if it was shown."""
    with transaction(engine) as connection:
        changed = set_withdrawn(connection, issue_id, None)
        if changed:
            _record(connection, issue_id, "shown again", now)
    return changed


def is_unsent(connection: Connection, issue_id: int) -> bool:
    """True if a message of the issue could still be sent, by itself or by a retry."""
    unsent = select(deliveries.c.id).where(deliveries.c.issue_id == issue_id, deliveries.c.state.in_(_UNSENT))
    return connection.execute(unsent.limit(1)).first() is not None


def last_change(connection: Connection, issue: Issue, what: str = "") -> events.Event | None:
    """Return the last event `what` of an issue, or the one that gave it its status; None if there was none."""
    same = events.latest(connection, 10, f"issue:{issue.date}", what or str(issue.status))
    return next((event for event in same if event.detail.get("kind", IssueKind.DAILY) == issue.kind), None)


def _record(connection: Connection, issue_id: int, what: str, now: datetime, reason: str = "") -> None:
    issue: Issue = issue_by_id(connection, issue_id)
    detail = {} if issue.kind == IssueKind.DAILY else {"kind": issue.kind}
    events.record(connection, now, f"issue:{issue.date}", what, detail | ({"reason": reason[:500]} if reason else {}))

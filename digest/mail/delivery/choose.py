"""Claimed deliveries → what goes into each mail. What a mail was once begun with stays: a retry is the same mail."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from digest.issues.issue import Issue
from digest.issues.selection import CachedIssue, Selection, SubscriberHistory, histories, papers_for, selection_of
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import LISTED, IssueStatus, Kind, SkipReason, Status
from digest.mail.delivery.recipients import RecipientStatus, recipient_statuses
from digest.subscribers.subscriber import Recipient


@dataclass(frozen=True, slots=True)
class Draft:
    """One mail to be written: for whom, and for a digest from which issue which papers."""

    delivery: Delivery
    reader: Recipient
    issue: Issue | None = None
    selection: Selection | None = None


@dataclass(slots=True)
class ClaimOutcome:
    """What became of a claim: mails to write, mails nobody wants any more, mails that wait."""

    parts: list[Draft] = field(default_factory=list)
    skipped: dict[int, SkipReason] = field(default_factory=dict)
    paused: list[int] = field(default_factory=list)  # with their issue; a resume makes them due at once
    waiting: list[int] = field(default_factory=list)  # until another mail to the reader is chosen


def choose(
    connection: Connection,
    worker: str,
    claims: Sequence[Delivery],
    shelf_of: Callable[[int], CachedIssue],
    making: Callable[[int], None],
) -> ClaimOutcome:
    """Decide for each claim; changes nothing. The claims must be committed (already_got tells why).

    `making` is told whose turn it is, by the number of the mail.
    """
    choice = ClaimOutcome()
    standings = recipient_statuses(connection, claims)
    known = histories(connection, worker, claims, shelf_of)
    for claim in claims:
        making(claim.id)
        found = standings[claim.id]
        reason = skip_reason(claim, found)
        if reason is not None:
            choice.skipped[claim.id] = reason
        elif found.issue_status is IssueStatus.PAUSED:
            choice.paused.append(claim.id)
        elif found.reader is not None and claim.issue_id is None:
            choice.parts.append(Draft(claim, found.reader))
        elif found.reader is not None and claim.issue_id is not None:
            _choose_papers(claim, found.reader, shelf_of(claim.issue_id), known[claim.id], choice)
    return choice


def _choose_papers(
    claim: Delivery, reader: Recipient, shelf: CachedIssue, known: SubscriberHistory, choice: ClaimOutcome
) -> None:
    if claim.selection is None and known.got.being_chosen:
        choice.waiting.append(claim.id)
        return
    selection = selection_of(claim.selection) if claim.selection else papers_for(shelf, reader.preferences, known)
    if isinstance(selection, SkipReason):
        choice.skipped[claim.id] = selection
        return
    known.got.papers.update(pick.paper_id for pick in selection.picks)  # for another of the reader's mails here
    choice.parts.append(Draft(claim, reader, shelf.issue, selection))


def skip_reason(claim: Delivery, found: RecipientStatus) -> SkipReason | None:
    """Why this mail is not made any more; None while it is wanted."""
    if found.reader is None:
        return SkipReason.ERASED
    if found.suppressed:
        return SkipReason.SUPPRESSED
    if found.issue_status is IssueStatus.CANCELLED:
        return SkipReason.CANCELLED
    if claim.kind is Kind.CONFIRMATION:
        return None if found.reader.status is Status.PENDING else SkipReason.CHANGED
    if claim.kind is Kind.GOODBYE:
        return None if found.reader.status is Status.UNSUBSCRIBED else SkipReason.CHANGED
    if found.reader.status is not Status.CONFIRMED:
        return SkipReason.UNSUBSCRIBED
    return SkipReason.PAUSED if claim.kind in LISTED and _is_paused(found.reader, claim.due_at) else None


def _is_paused(reader: Recipient, due_at: datetime) -> bool:
    until = reader.preferences.paused_until
    return until is not None and due_at.astimezone(ZoneInfo(reader.preferences.zone)).date() < until

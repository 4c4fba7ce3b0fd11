"""Chooses the papers of each claimed delivery. A retry repeats the selection of the first attempt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, select

from digest.database.dialect import in_list_param
from digest.database.tables import issues as issues_table
from digest.database.tables import subscribers, suppressions
from digest.issues.selection import (
    CachedIssue,
    IssueCache,
    Selection,
    SubscriberHistory,
    histories,
    papers_for,
    selection_as_json,
    selection_of,
)
from digest.ledger.deliveries import Delivery, skip_reason
from digest.ledger.kinds import IssueStatus, Kind, SkipReason, SuppressionReason
from digest.ledger.sending import MessageRecord
from digest.mail.delivery.journal import Journal
from digest.mail.message import Draft, OutgoingMessage
from digest.subscribers.store import RECIPIENT, recipient_of
from digest.subscribers.subscriber import Recipient


@dataclass(slots=True)
class ClaimOutcome:
    """The outcome of a claim: drafts, and ids of deliveries that are not composed now."""

    drafts: list[Draft] = field(default_factory=list)
    skipped: dict[int, SkipReason] = field(default_factory=dict)
    paused: list[int] = field(default_factory=list)  # with their issue: due again as soon as it resumes
    waiting: list[int] = field(default_factory=list)  # while another worker chooses for the same subscriber


@dataclass(frozen=True, slots=True)
class RecipientStatus:
    """The facts that decide if a delivery is still wanted."""

    subscriber: Recipient | None  # None once erased
    suppression: SuppressionReason | None
    issue_status: IssueStatus | None  # None for a message that belongs to no issue

    def skip_reason(self, claim: Delivery) -> SkipReason | None:
        """Why the claim must not be sent any more; None while it is wanted."""
        subscriber = self.subscriber
        status = subscriber.status if subscriber else None
        until = subscriber.preferences.paused_until if subscriber else None
        paused = subscriber is not None and until is not None and due_day(subscriber, claim.due_at) < until
        return skip_reason(claim.kind, status, self.suppression, self.issue_status, paused)


def choose(
    connection: Connection, worker: str, claims: Sequence[Delivery], issues: IssueCache, journal: Journal
) -> ClaimOutcome:
    """Decide for each claim; changes nothing. The claims must be committed: see already_sent()."""
    outcome = ClaimOutcome()
    statuses = recipient_statuses(connection, claims)
    with_papers = [claim for claim in claims if claim.kind is not Kind.NOTICE]
    history_of = histories(connection, worker, with_papers, issues.get)
    for claim in claims:
        journal.making(claim.id)
        status = statuses[claim.id]
        reason = status.skip_reason(claim)
        if reason is not None:
            outcome.skipped[claim.id] = reason
        elif status.issue_status is IssueStatus.PAUSED:
            outcome.paused.append(claim.id)
        elif status.subscriber is not None and claim.issue_id is None:
            outcome.drafts.append(Draft(claim, status.subscriber))
        elif status.subscriber is not None and claim.issue_id is not None and claim.kind is Kind.NOTICE:
            stored = selection_of(claim.selection) if claim.selection else None
            selection = stored or Selection((), language=status.subscriber.preferences.language)
            outcome.drafts.append(Draft(claim, status.subscriber, issues.get(claim.issue_id).issue, selection))
        elif status.subscriber is not None and claim.issue_id is not None:
            _choose_papers(claim, status.subscriber, issues.get(claim.issue_id), history_of[claim.id], outcome)
    return outcome


def _choose_papers(
    claim: Delivery, subscriber: Recipient, cached: CachedIssue, history: SubscriberHistory, outcome: ClaimOutcome
) -> None:
    if claim.selection is None and history.got.being_chosen:
        outcome.waiting.append(claim.id)
        return
    stored = claim.selection
    selection = selection_of(stored) if stored else papers_for(cached, subscriber.preferences, history)
    if isinstance(selection, SkipReason):
        outcome.skipped[claim.id] = selection
        return
    # Another of these claims may be for the same subscriber.
    history.got.papers.update(pick.paper_id for pick in selection.picks)
    outcome.drafts.append(Draft(claim, subscriber, cached.issue, selection))


def due_day(subscriber: Recipient, due_at: datetime) -> date:
    """The date where the subscriber lives, which a pause is compared with."""
    return due_at.astimezone(ZoneInfo(subscriber.preferences.zone)).date()


def record_of(draft: Draft, message: OutgoingMessage) -> MessageRecord:
    """Return the facts that the ledger stores before the message is sent."""
    return MessageRecord(
        draft.delivery.id,
        message.message_id,
        message.sha256,
        due_day(draft.subscriber, draft.delivery.due_at),
        selection_as_json(draft.selection) if draft.selection else "null",
        message.envelope.message if draft.issue is None else b"",
        tuple(pick.paper_id for pick in draft.selection.picks) if draft.selection else (),
    )


# --- reading ---


def recipient_statuses(connection: Connection, claims: Sequence[Delivery]) -> dict[int, RecipientStatus]:
    """By delivery id."""
    of_subscribers, of_suppressions, of_issues = _queries(connection.dialect.name)
    ids = {claim.subscriber_id for claim in claims if claim.subscriber_id is not None}
    by_id = {row.id: recipient_of(row) for row in connection.execute(of_subscribers, {"given": list(ids)})}
    recipients = {"given": list({claim.recipient for claim in claims})}
    suppressed = {key: SuppressionReason(reason) for key, reason in connection.execute(of_suppressions, recipients)}
    issue_ids = {claim.issue_id for claim in claims if claim.issue_id is not None}
    issue_statuses = {
        issue_id: IssueStatus(status) for issue_id, status in connection.execute(of_issues, {"given": list(issue_ids)})
    }
    return {
        claim.id: RecipientStatus(
            subscriber=by_id.get(claim.subscriber_id or 0),
            suppression=suppressed.get(claim.recipient),
            issue_status=issue_statuses[claim.issue_id] if claim.issue_id is not None else None,
        )
        for claim in claims
    }


@cache
def _queries(dialect: str) -> tuple[Select[Any], Select[Any], Select[Any]]:
    # Building these statements takes longer than running them.
    return (
        select(*RECIPIENT).where(in_list_param(dialect, subscribers.c.id, "given")),
        select(suppressions.c.key, suppressions.c.reason).where(in_list_param(dialect, suppressions.c.key, "given")),
        select(issues_table.c.id, issues_table.c.status).where(in_list_param(dialect, issues_table.c.id, "given")),
    )

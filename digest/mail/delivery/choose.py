"""Chooses the papers of each claimed delivery. A retry repeats the selection of the first attempt."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cache, lru_cache
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
    packed_selection,
    papers_for,
    selection_of,
)
from digest.ledger.deliveries import Delivery, skip_reason
from digest.ledger.kinds import OF_CHANGES, IssueStatus, Kind, SkipReason, SuppressionReason
from digest.ledger.sending import MessageRecord
from digest.mail.delivery.journal import Journal
from digest.mail.message import Draft, OutgoingMessage
from digest.subscribers.address_change.change import AddressChange
from digest.subscribers.address_change.store import changes_for
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
    changes = _changes(connection, claims)
    for claim in claims:
        journal.making(claim.id)
        status = statuses[claim.id]
        reason = status.skip_reason(claim)
        if reason is not None:
            outcome.skipped[claim.id] = reason
        elif status.issue_status is IssueStatus.PAUSED:
            outcome.paused.append(claim.id)
        elif status.subscriber is not None and claim.kind in OF_CHANGES:
            _about_change(claim, status.subscriber, changes, outcome)
        elif status.subscriber is not None and claim.issue_id is None:
            outcome.drafts.append(Draft(claim, status.subscriber))
        elif status.subscriber is not None and claim.issue_id is not None and claim.kind is Kind.NOTICE:
            stored = selection_of(claim.chosen, {}) if claim.chosen else None
            selection = stored or Selection((), language=status.subscriber.preferences.language)
            outcome.drafts.append(Draft(claim, status.subscriber, issues.get(claim.issue_id).issue, selection))
        elif status.subscriber is not None and claim.issue_id is not None:
            _choose_papers(claim, status.subscriber, issues.get(claim.issue_id), history_of[claim.id], outcome)
    return outcome


def _about_change(
    claim: Delivery, subscriber: Recipient, changes: Sequence[AddressChange], outcome: ClaimOutcome
) -> None:
    """Write to the address of the change that the claim names by its key; skip what is over by now."""
    is_done, to_new = claim.kind is Kind.ADDRESS_CHANGED, claim.kind is Kind.NEW_ADDRESS
    mine = [
        each for each in changes if each.subscriber_id == subscriber.id and (each.changed_at is not None) is is_done
    ]
    fitting = [each for each in mine if claim.recipient == (each.new_key if to_new else each.old_key)]
    if not fitting:
        outcome.skipped[claim.id] = SkipReason.CHANGED
        return
    change = fitting[-1]
    address = change.new_email if to_new else change.old_email
    outcome.drafts.append(Draft(claim, replace(subscriber, email=address), change=change))


def _choose_papers(
    claim: Delivery, subscriber: Recipient, cached: CachedIssue, history: SubscriberHistory, outcome: ClaimOutcome
) -> None:
    if claim.chosen is None and history.got.being_chosen:
        outcome.waiting.append(claim.id)
        return
    stored = claim.chosen
    selection = (
        selection_of(stored, cached.pool.by_rank) if stored else papers_for(cached, subscriber.preferences, history)
    )
    if isinstance(selection, SkipReason):
        outcome.skipped[claim.id] = selection
        return
    # Another of these claims may be for the same subscriber.
    history.got.papers.update(pick.paper_id for pick in selection.picks)
    outcome.drafts.append(Draft(claim, subscriber, cached.issue, selection))


def _picks_to_store(draft: Draft, issues: IssueCache) -> bytes | None:
    """The selection as the ledger stores it; None if it has it already, as an earlier version stored it."""
    if draft.issue is None or draft.selection is None or draft.delivery.selection is not None:
        return None
    return draft.delivery.picks or packed_selection(draft.selection, issues.get(draft.issue.id).pool.ranks)


def due_day(subscriber: Recipient, due_at: datetime) -> date:
    """The date where the subscriber lives, which a pause is compared with."""
    return _day_in(subscriber.preferences.zone, due_at)


@lru_cache(maxsize=1_000)
def _day_in(zone: str, at: datetime) -> date:
    return at.astimezone(ZoneInfo(zone)).date()


def record_of(draft: Draft, message: OutgoingMessage, issues: IssueCache) -> MessageRecord:
    """Return the facts that the ledger stores before the message is sent."""
    return MessageRecord(
        draft.delivery.id,
        message.message_id,
        message.sha256,
        due_day(draft.subscriber, draft.delivery.due_at),
        _picks_to_store(draft, issues),
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


def _changes(connection: Connection, claims: Sequence[Delivery]) -> list[AddressChange]:
    ids = {claim.subscriber_id for claim in claims if claim.kind in OF_CHANGES and claim.subscriber_id is not None}
    return changes_for(connection, ids) if ids else []


@cache
def _queries(dialect: str) -> tuple[Select[Any], Select[Any], Select[Any]]:
    # Building these statements takes longer than running them.
    return (
        select(*RECIPIENT).where(in_list_param(dialect, subscribers.c.id, "given")),
        select(suppressions.c.key, suppressions.c.reason).where(in_list_param(dialect, suppressions.c.key, "given")),
        select(issues_table.c.id, issues_table.c.status).where(in_list_param(dialect, issues_table.c.id, "given")),
    )

"""Applies reports to subscribers. Anyone can write a report, so only a signed token proves that it is genuine."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import cache
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, func, select

from digest.bounces.report import Report, ReportKind
from digest.database.dialect import insert_into
from digest.database.tables import address_changes, bounce_counts, deliveries, subscribers
from digest.ledger.kinds import OF_CHANGES, FailureEffect, FailureKind, RefusalClass, code_subject
from digest.ledger.outbox import EventType, NewEvent, publish
from digest.mail.failures import Failure, record_failure
from digest.mail.return_paths import AddressPurpose, number_of, token_in
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import recipient_key
from digest.text import domain_of


class Proof(StrEnum):
    """The result of checking that a report is about a message that was sent from here."""

    PROVED = "proved"
    REPEATED = "repeated"  # a report of this kind about the delivery was processed before
    UNPROVED = "unproved"  # no valid token
    UNKNOWN = "unknown"  # the delivery is no longer in the ledger
    MISMATCH = "mismatch"  # its recipient is not that of the delivery


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The outcome of processing a report."""

    proof: Proof
    effect: FailureEffect = FailureEffect.NONE
    delivery_id: int | None = None
    unsubscribed: bool = False


def accept(
    connection: Connection, report: Report, way: str, keys: Sequence[bytes], now: datetime, is_automatic: bool = False
) -> Acceptance:
    """Process one report. Use a separate transaction for each, because the counts are locked until it ends.

    `way`: how the report arrived, such as "maildir". `keys`: the signing keys, newest first.
    `is_automatic`: the message was written by a machine (RFC 3834), so it does not unsubscribe anyone.
    """
    if report.kind is ReportKind.NONE:
        return _unsubscribed(connection, report, keys, now, is_automatic)
    delivery, proof = _delivery(connection, report, keys)
    effect = FailureEffect.NONE
    if delivery is not None and proof is Proof.PROVED:
        failure = _failure(report, delivery, way, now)
        recorded = record_failure(connection, failure)
        if recorded is None:
            proof = Proof.REPEATED
        else:
            number, effect = recorded
            event = NewEvent({"bounce": number}, delivery.subscriber_id, delivery.id)
            publish(connection, EventType.BOUNCED, now, [event])
    _count(connection, report, proof, now)
    return Acceptance(proof, effect, delivery.id if delivery is not None else None)


def _delivery(connection: Connection, report: Report, keys: Sequence[bytes]) -> tuple[Row[Any] | None, Proof]:
    tokens = _tokens(report)
    numbers = (number_of(AddressPurpose.BOUNCE, token, keys) for token in tokens)
    number = next((number for number in numbers if number is not None), None)
    if tokens:
        row = connection.execute(_BY_NUMBER, {"number": number}).one_or_none() if number is not None else None
    else:
        query = _by_message_id(report, keys[-1])
        row = connection.execute(query).one_or_none() if query is not None else None
    if row is None:
        return None, Proof.UNPROVED if number is None else Proof.UNKNOWN
    return row, Proof.PROVED if _is_recipient(report.recipient, row, keys[-1]) else Proof.MISMATCH


# Deliveries follow their subscriber to another address; a report is about the one to which the message went.
_SENT_TO = (
    select(address_changes.c.old_key)
    .where(
        address_changes.c.subscriber_id == deliveries.c.subscriber_id,
        address_changes.c.changed_at > deliveries.c.composed_at,
        deliveries.c.kind.not_in(OF_CHANGES),
    )
    .order_by(address_changes.c.changed_at)
    .limit(1)
    .scalar_subquery()
)
_OF_DELIVERY = (
    *(deliveries.c[name] for name in ("id", "subscriber_id", "issue_id")),
    func.coalesce(_SENT_TO, deliveries.c.recipient).label("recipient"),
)
_DELIVERY: Select[Any] = select(*_OF_DELIVERY, subscribers.c.email).outerjoin(
    subscribers, subscribers.c.id == deliveries.c.subscriber_id
)
_BY_NUMBER = _DELIVERY.where(deliveries.c.id == bindparam("number"))


def _tokens(report: Report) -> list[str]:
    """Return the tokens of the address that the report was sent to and of the address that it quotes."""
    texts: Iterable[str] = filter(None, (report.return_path, report.token))
    return [token for token in (token_in(text) if "@" in text else text for text in texts) if token]


def _by_message_id(report: Report, secret: bytes) -> Select[Any] | None:
    """Select a delivery without a token. Its Message-ID is a hash that includes the keyed hash of the address."""
    if not report.message_id or not report.recipient:
        return None
    key, name = recipient_key(report.recipient.strip().lower(), secret), report.message_id.strip().strip("<>")
    return _DELIVERY.where(deliveries.c.recipient == key, deliveries.c.message_id == name)


def _is_recipient(address: str | None, delivery: Row[Any], secret: bytes) -> bool:
    """True if the report names the recipient of the delivery, or none, as in many complaints."""
    text = (address or "").strip().lower()
    return not text or text == (delivery.email or "").lower() or recipient_key(text, secret) == delivery.recipient


def _failure(report: Report, delivery: Row[Any], way: str, now: datetime) -> Failure:
    is_of_issue = delivery.issue_id is not None and delivery.email is not None
    return Failure(
        delivery.id,
        delivery.recipient,
        delivery.subscriber_id,
        FailureKind(report.kind.value),
        report.status or "",
        None,
        way[:20],
        now,
        domain=domain_of(delivery.email) if is_of_issue else "",
        text=report.diagnostic,
        reporter=report.reporter,
    )


def _unsubscribed(
    connection: Connection, report: Report, keys: Sequence[bytes], now: datetime, is_automatic: bool
) -> Acceptance:
    token = token_in(report.return_path or "")
    subscriber_id = number_of(AddressPurpose.UNSUBSCRIBE, token, keys) if token and not is_automatic else None
    if subscriber_id is None:
        _count(connection, report, Proof.UNPROVED, now)
        return Acceptance(Proof.UNPROVED)
    ended = subscriptions.end_subscription(connection, subscriber_id, now, "email")
    return Acceptance(Proof.PROVED if ended else Proof.REPEATED, unsubscribed=ended)


def _count(connection: Connection, report: Report, proof: Proof, now: datetime) -> None:
    about = code_subject(report.status or "") if report.kind is not ReportKind.NONE else RefusalClass.OTHER
    row = {"day": now.astimezone(UTC).date(), "kind": str(report.kind), "about": str(about), "proof": str(proof)}
    connection.execute(_counting(connection.dialect.name), row | {"reports": 1})


@cache
def _counting(dialect: str) -> Any:
    more = {"reports": bounce_counts.c.reports + 1}
    key = ["day", "kind", "about", "proof"]
    return insert_into(dialect, bounce_counts).on_conflict_do_update(index_elements=key, set_=more)

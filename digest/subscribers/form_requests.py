"""Requests for an email that were typed into a form: stored with the answer, carried out after it.

Storing one is the same work for every address, so its time says nothing about the address; carrying it out is not. The
process that stored it carries it out. If it is killed before, the scheduler does.
"""

import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine, delete, insert, select

from digest.database.engine import DATABASE_AWAY, problem_of, read_only, transaction
from digest.database.tables import form_requests
from digest.ledger.kinds import Kind
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import Consent, Preferences

log = structlog.get_logger()

LEFT_OVER_AFTER = timedelta(minutes=1)
_GIVEN_UP_AFTER = timedelta(days=1)  # its words are not kept for longer, whatever prevents it


@dataclass(frozen=True, slots=True)
class FormRequest:
    """Someone typed a normalised address into a form; the fields are columns."""

    kind: Kind  # CONFIRMATION or LINK
    email: str
    requested_at: datetime
    requested_from: str  # keyed hash of the client's address
    form: str  # which form and version of its text
    zone: str
    language: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)


class _Taken(Exception):
    """Another process has carried it out."""


def store_request(connection: Connection, request: FormRequest) -> None:
    """Keep it until it is carried out."""
    connection.execute(insert(form_requests).values(asdict(request)))


def carry_out(engine: Engine, request: FormRequest, secret: bytes) -> bool:
    """Do what was asked for, unless that was done; True if a message was queued, which nobody must learn."""

    def take(connection: Connection) -> None:
        if not connection.execute(delete(form_requests).where(form_requests.c.id == request.id)).rowcount:
            raise _Taken

    try:
        if request.kind is Kind.LINK:
            return subscriptions.mail_link(engine, request.email, request.requested_at, secret, take)
        consent = Consent(request.requested_at, request.requested_from, request.form)
        preferences = Preferences(zone=request.zone, language=request.language)
        return subscriptions.subscribe(engine, request.email, consent, secret, preferences, take)
    except _Taken:
        return False


def carry_out_left_over(engine: Engine, secret: bytes, now: datetime) -> int:
    """Carry out the requests of processes that ended before they could; returns how many."""
    left_over = list(_stored_before(engine, now - LEFT_OVER_AFTER))
    for request in left_over:
        try:
            carry_out(engine, request, secret)
        except DATABASE_AWAY:
            raise
        except Exception as problem:  # the others must not wait for it
            log.exception("a request for an email could not be carried out", problem=problem_of(problem))
    if left_over:
        with transaction(engine) as connection:
            is_old = form_requests.c.requested_at < now - _GIVEN_UP_AFTER
            connection.execute(delete(form_requests).where(is_old))
    return len(left_over)


def _stored_before(engine: Engine, instant: datetime) -> Iterator[FormRequest]:
    query = select(form_requests).where(form_requests.c.requested_at < instant)
    with read_only(engine) as connection:
        rows = connection.execute(query.order_by(form_requests.c.requested_at)).mappings().all()
    return (FormRequest(**{**row, "kind": Kind(row["kind"])}) for row in rows)

"""Messages and what became of them. They name recipients by key: an address takes the scope subscribers:read."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated

from fastapi import Path, Query
from pydantic import BaseModel, Field
from pydantic.json_schema import SkipJsonSchema

from digest.database.engine import read_only
from digest.ledger.kinds import Kind, State
from digest.monitoring import delivery_list
from digest.monitoring.api_tokens import TokenScope
from digest.monitoring.delivery_list import DeliveryDetails
from digest.subscribers import store
from digest.web.api.access import ApiRouter, Caller, TheCaller
from digest.web.api.issues import stored_issue_id
from digest.web.api.paging import ListPart, ResourcePage, ThePart
from digest.web.api.problems import ApiProblem
from digest.web.api.values import IssueDay, IssueKindName, Number

router = ApiRouter(tags=["deliveries"])


class UnsentState(StrEnum):
    """The states that have an index. Millions of deliveries may be in the others."""

    CLAIMED = "claimed"
    SENDING = "sending"
    REFUSED = "refused"
    EXPIRED = "expired"
    SKIPPED = "skipped"
    QUARANTINED = "quarantined"


_State = Annotated[UnsentState | SkipJsonSchema[None], Query(description="Only deliveries in this state.")]


class DeliveryResource(BaseModel):
    """One message to one recipient."""

    id: int
    kind: Kind
    occasion: date = Field(description="The date of the issue or of the request.")
    subscriber_id: int | None = Field(description="null once the subscriber is deleted.")
    recipient: str = Field(description="The keyed hash of the address.")
    state: State
    why: str = Field(description='Why it was not accepted, or came back; "" if neither applies.')
    attempts: int = Field(description="Replies of the mail server that said “later”.")
    due_at: datetime
    next_attempt_at: datetime | None = Field(description="null once finished.")
    finished_at: datetime | None
    message_id: str = Field(description='The Message-ID, without angle brackets; "" before the message is composed.')
    reply_code: int | None = Field(description="Of the last reply of the mail server.")
    reply_text: str


class DeliveryPage(ResourcePage):
    """Part of a list of deliveries."""

    items: list[DeliveryResource]


def _resource(delivery: DeliveryDetails) -> DeliveryResource:
    return DeliveryResource(
        id=delivery.id,
        kind=Kind(delivery.kind),
        occasion=date.fromisoformat(delivery.occasion),
        subscriber_id=delivery.subscriber_id,
        recipient=delivery.recipient,
        state=delivery.state,
        why=delivery.why,
        attempts=delivery.attempts,
        due_at=delivery.due_at,
        next_attempt_at=delivery.next_attempt_at,
        finished_at=delivery.finished_at,
        message_id=delivery.message_id,
        reply_code=delivery.reply_code,
        reply_text=delivery.reply_text,
    )


@router.read(TokenScope.DELIVERIES_READ, "/deliveries", errors=[404])
def list_deliveries(
    caller: TheCaller,
    part: ThePart,
    state: _State = None,
) -> DeliveryPage:
    """List deliveries of every kind, newest first."""
    return _by_number(caller, part, State(state) if state else None)


@router.read(TokenScope.DELIVERIES_READ, "/bounces", errors=[404])
def list_bounces(caller: TheCaller, part: ThePart) -> DeliveryPage:
    """List deliveries that were refused, or that came back after they were accepted, newest first."""
    before = part.after(int)
    with read_only(caller.site.engine) as connection:
        listed = delivery_list.bounced(connection, part.wanted, before[0] if before else None)
    shown, following = part.cut(listed, lambda each: (each.id,))
    return DeliveryPage(items=[_resource(each) for each in shown], next=following)


def _by_number(caller: Caller, part: ListPart, state: State | None) -> DeliveryPage:
    before = part.after(int)
    with read_only(caller.site.engine) as connection:
        listed = delivery_list.with_state(connection, state, part.wanted, before[0] if before else None)
    shown, following = part.cut(listed, lambda each: (each.id,))
    return DeliveryPage(items=[_resource(each) for each in shown], next=following)


@router.read(TokenScope.DELIVERIES_READ, "/subscribers/{id}/deliveries")
def list_deliveries_of_subscriber(
    caller: TheCaller,
    part: ThePart,
    number: Annotated[Number, Path(alias="id")],
) -> DeliveryPage:
    """List the deliveries to a subscriber, newest first."""
    before = part.after(int)
    with read_only(caller.site.engine) as connection:
        subscriber = store.by_id(connection, number)
        if subscriber is None:
            raise ApiProblem(404, "There is no such subscriber.")
        listed = delivery_list.of_recipient(connection, subscriber.key, part.wanted, before[0] if before else None)
    shown, following = part.cut(listed, lambda each: (each.id,))
    return DeliveryPage(items=[_resource(each) for each in shown], next=following)


@router.read(TokenScope.DELIVERIES_READ, "/issues/{date}/{kind}/deliveries")
def list_deliveries_of_issue(
    caller: TheCaller,
    part: ThePart,
    day: IssueDay,
    kind: IssueKindName,
    state: _State = None,
) -> DeliveryPage:
    """List the deliveries of an issue, by recipient key."""
    after = part.after(str)
    with read_only(caller.site.engine) as connection:
        issue_id = stored_issue_id(connection, day, kind)
        listed = delivery_list.of_issue(
            connection, issue_id, State(state) if state else None, part.wanted, after[0] if after else ""
        )
    shown, following = part.cut(listed, lambda each: (each.recipient,))
    return DeliveryPage(items=[_resource(each) for each in shown], next=following)

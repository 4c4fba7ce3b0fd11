"""The body and the headers of a webhook (standardwebhooks.com). Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from digest.ledger.outbox import EventType


@dataclass(frozen=True, slots=True)
class BouncedMessage:
    """The message of a delivery that was refused or came back later, with the server's text as stored now."""

    kind: str
    occasion: str  # ISO date
    message_id: str
    code: int | None
    enhanced: str
    text: str
    bounce: str = ""  # FailureKind, if it was accepted before


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """A claimed event with all that its body tells."""

    id: int
    webhook_id: str
    type: str
    at: datetime
    data: Mapping[str, Any]
    attempts: int  # before this one
    subscriber_id: int | None = None
    email: str | None = None  # None once they are deleted
    bounced: BouncedMessage | None = None


def body_of(event: OutgoingEvent) -> str:
    """JSON with type, timestamp and data, in ASCII without blanks."""
    data = dict(event.data)
    if event.subscriber_id is not None or event.type == EventType.BOUNCED:
        data["subscriber"] = {"id": event.subscriber_id, "email": event.email}
    if message := event.bounced:
        data["message"] = {"kind": message.kind, "date": message.occasion, "message_id": message.message_id}
        data["reply"] = {"code": message.code, "enhanced": message.enhanced, "text": message.text}
        data["bounce"] = message.bounce or "refused"  # instead of the number in the outbox
    at = event.at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": event.type, "timestamp": at, "data": data}, separators=(",", ":"))


def headers_of(webhook_id: str, body: str, secrets: Sequence[str], at: datetime) -> dict[str, str]:
    """The headers that prove the sender, signed with each secret at the instant `at` of the attempt."""
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(webhook_id, at.astimezone(UTC), body) for secret in secrets),
    }

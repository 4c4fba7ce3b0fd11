"""Reads the webhooks of Postmark, SendGrid, Mailgun and other programs. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from digest.bounces.reading import codes, judging
from digest.bounces.reading.payloads import mapping, sequence, text
from digest.bounces.report import Report, ReportKind

_POSTMARK_HARD = ("HardBounce", "BadEmailAddress", "ManuallyDeactivated")
_POSTMARK_NONE = (
    "AutoResponder",
    "AddressChange",
    "ChallengeVerification",
    "Subscribe",
    "Unsubscribe",
    "OpenRelayTest",
)


def postmark_reports(payload: object) -> list[Report]:
    """Reports in the webhook of a bounce or a spam complaint."""
    event = mapping(payload)
    kind = text(event.get("Type")) or ""
    details = text(event.get("Details")) or text(event.get("Description")) or ""
    if event.get("RecordType") == "SpamComplaint" or kind == "SpamComplaint":
        verdict = ReportKind.COMPLAINT
    elif event.get("RecordType") != "Bounce" or kind in _POSTMARK_NONE:
        verdict = ReportKind.NONE
    else:
        verdict = ReportKind.HARD if kind in _POSTMARK_HARD and judging.may_last(details) else ReportKind.SOFT
    token = text(mapping(event.get("Metadata")).get("token"))
    at = _instant(event.get("BouncedAt"))
    return [
        Report(verdict, codes.enhanced(details), text(event.get("Email")), details, None, None, token, "Postmark", at)
    ]


def sendgrid_reports(payload: object) -> list[Report]:
    """Reports in a list of events; those about opened or delivered messages are left out."""
    reports = []
    for event in map(mapping, sequence(payload)):
        name, reason = event.get("event"), text(event.get("reason")) or text(event.get("response")) or ""
        if name == "spamreport":
            verdict, status = ReportKind.COMPLAINT, None
        elif name == "deferred" or (name == "bounce" and event.get("type") == "blocked"):
            verdict, status = ReportKind.SOFT, codes.enhanced(f"{text(event.get('status')) or ''} {reason}")
        elif name == "bounce":
            verdict, status = judging.judge(
                "failed", codes.enhanced(text(event.get("status")) or ""), reason, "RCPT TO"
            )
        else:
            continue
        identity = text(event.get("smtp-id"))
        token, at = text(event.get("token")), _instant(event.get("timestamp"))
        recipient = text(event.get("email"))
        reports.append(Report(verdict, status, recipient, reason, None, identity, token, "SendGrid", at))
    return reports


def mailgun_reports(payload: object) -> list[Report]:
    """Reports in the webhook of a failure or a complaint."""
    event = mapping(mapping(payload).get("event-data"))
    said = mapping(event.get("delivery-status"))
    reason = " ".join(
        filter(None, (str(said.get("code") or ""), text(said.get("message")), text(said.get("description"))))
    )
    if event.get("event") == "complained":
        verdict, status = ReportKind.COMPLAINT, None
    elif event.get("event") != "failed":
        return []
    else:
        action = "delayed" if event.get("severity") == "temporary" else "failed"
        status = codes.enhanced(text(said.get("enhanced-code")) or "")
        verdict, status = judging.judge(action, status, reason, "RCPT TO")
    identity = text(mapping(mapping(event.get("message")).get("headers")).get("message-id"))
    identity = f"<{identity.strip('<>')}>" if identity else None
    token = text(mapping(event.get("envelope")).get("sender")) or text(
        mapping(event.get("user-variables")).get("token")
    )
    at, recipient = _instant(event.get("timestamp")), text(event.get("recipient"))
    return [Report(verdict, status, recipient, reason, None, identity, token, "Mailgun", at)]


def generic_reports(payload: object) -> list[Report]:
    """Reports in the webhook of an operator's program: an object, or a list of objects, with the fields of a report."""
    events = payload if isinstance(payload, list) else [payload]
    return [report for event in sequence(events) if (report := _generic(mapping(event)))]


def _generic(event: Mapping[str, Any]) -> Report | None:
    diagnostic, status = text(event.get("diagnostic")) or "", codes.enhanced(text(event.get("status")) or "")
    if not event:
        return None
    kind, best = judging.judge("failed", status, diagnostic, "RCPT TO")
    if event.get("kind") in tuple(ReportKind):
        kind = ReportKind(event["kind"])
    path, identity, token = (text(event.get(name)) for name in ("return_path", "message_id", "token"))
    recipient, at = text(event.get("recipient")), _instant(event.get("at"))
    return Report(kind, best, recipient, diagnostic, path, identity, token, "webhook", at)


def _instant(value: object) -> datetime | None:
    """Parse seconds since 1970, or a time in ISO 8601 with its zone."""
    try:
        if isinstance(value, str) and not value.isdecimal():
            at = datetime.fromisoformat(value)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        return datetime.fromtimestamp(float(value), UTC) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError, OSError):
        return None

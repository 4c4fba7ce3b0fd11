"""Reads the JSON of providers about bounces and complaints, in a webhook or a message."""

import json
from collections.abc import Mapping
from typing import Any

from digest.bounces.reading import codes, judging
from digest.bounces.reading.opened import printable
from digest.bounces.report import Report, ReportKind


def first_json(text: str) -> object:
    """Return the JSON value at the start of a text; None if there is none, or if it is nested too deeply."""
    try:
        return json.JSONDecoder(strict=False).raw_decode(text)[0]
    except (ValueError, RecursionError):
        return None


def parse_json(text: str) -> object:
    """Return the value; None for anything except JSON, and for JSON that is nested too deeply."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def ses_reports(notification: object) -> list[Report]:
    """Return Amazon SES's bounces or complaints, one for each recipient; an empty list for a delivery."""
    value = mapping(notification)
    if isinstance(value.get("Message"), str):  # the envelope of SNS
        value = mapping(parse_json(value["Message"]))
    kind = str(value.get("notificationType") or value.get("eventType") or "").lower()
    mail = mapping(value.get("mail"))
    if kind == "bounce":
        bounce = mapping(value.get("bounce"))
        reports = [_ses_bounce(bounce, mapping(one)) for one in sequence(bounce.get("bouncedRecipients"))]
    elif kind == "complaint":
        people = sequence(mapping(value.get("complaint")).get("complainedRecipients"))
        reports = [Report(ReportKind.COMPLAINT, recipient=text(mapping(one).get("emailAddress"))) for one in people]
    elif kind == "delivery":
        reports = [Report(ReportKind.NONE, recipient=text(one)) for one in sequence(mail.get("destination"))]
    else:
        return []
    return [_with_origin(report, mail) for report in reports]


def _ses_bounce(bounce: Mapping[str, Any], recipient: Mapping[str, Any]) -> Report:
    diagnostic = text(recipient.get("diagnosticCode")) or ""
    status = codes.enhanced(text(recipient.get("status")) or "")
    kind, best = judging.judge(
        text(recipient.get("action")) or "failed", status, diagnostic.partition(";")[2] or diagnostic
    )
    if not diagnostic:
        lasting = bounce.get("bounceType") == "Permanent" and bounce.get("bounceSubType") in ("General", "NoEmail")
        kind = ReportKind.HARD if lasting else ReportKind.SOFT
    elif bounce.get("bounceType") == "Transient":
        kind = ReportKind.SOFT
    return Report(kind, best, text(recipient.get("emailAddress")), diagnostic)


def _with_origin(report: Report, mail: Mapping[str, Any]) -> Report:
    headers = {
        str(mapping(one).get("name")).lower(): text(mapping(one).get("value")) for one in sequence(mail.get("headers"))
    }
    identity = headers.get("message-id") or text(mapping(mail.get("commonHeaders")).get("messageId"))
    return Report(
        report.kind, report.status, report.recipient, report.diagnostic, message_id=identity,
        token=headers.get("x-digest-token") or text(mail.get("source")), reporter="Amazon SES",
    )  # fmt: skip


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def sequence(value: object) -> list[Any]:
    return value[:1000] if isinstance(value, list) else []


def text(value: object) -> str | None:
    return printable(value) or None if isinstance(value, str) else None

"""Turns a message into one report for each recipient."""

import re
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime

from digest.bounces.reading.complaints import complaints
from digest.bounces.reading.delivery_status import delivery_reports
from digest.bounces.reading.fields import address, addresses
from digest.bounces.reading.notices import is_notice, notice_reports
from digest.bounces.reading.opened import OpenedMessage, open_message, printable, short
from digest.bounces.reading.payloads import first_json, ses_reports
from digest.bounces.reading.quoting import Quoted, notice_and_rest, quoted
from digest.bounces.report import Report, ReportKind

_DAEMON = re.compile(r"mailer-?daemon|postmaster", re.IGNORECASE)
_SENT_TO = ("X-Original-To", "Envelope-To", "To", "Delivered-To")


def read(message: bytes, *, return_path: str | None = None) -> list[Report]:
    """Return a report for each recipient; a single report of kind NONE for any other message."""
    opened = open_message(message)
    notice, rest = notice_and_rest(short(_notice_text(opened)))
    original = quoted(opened, rest)
    reports = _reports(opened, notice, original) or [Report(ReportKind.NONE)]
    sent_to = return_path or _sent_to(opened)
    return [_completed(report, opened, original, sent_to) for report in reports]


def _reports(opened: OpenedMessage, notice: str, original: Quoted) -> list[Report]:
    found = complaints(opened, original) or ses_reports(_json(_notice_text(opened))) or delivery_reports(opened, notice)
    return found or (notice_reports(opened, notice, original) if is_notice(opened, notice) else [])


def is_automatic(message: bytes) -> bool:
    """True if the message is automatic (RFC 3834), such as from a list, a vacation notice or a report."""
    opened = open_message(message)
    submitted, precedence = opened.header("Auto-Submitted").lower(), opened.header("Precedence").lower()
    return (
        submitted not in ("", "no")
        or precedence in ("bulk", "junk", "list", "auto_reply")
        or opened.header("Return-Path") == "<>"
        or any(name in opened.parsed for name in ("List-Id", "X-Autoreply", "X-Failed-Recipients"))
        or bool(_DAEMON.search(opened.header("From")))
    )


def _sent_to(opened: OpenedMessage) -> str | None:
    """Return the recipient address: the first with a plus if there are several, since it may carry a token."""
    named = [to for name in _SENT_TO if (to := address(opened.header(name)))]
    return next((to for to in named if "+" in to), named[0] if named else None)


def _notice_text(opened: OpenedMessage) -> str:
    """Return the readable parts, written by the server."""
    for kind in ("text/plain", "text/html", "message/delivery-status"):
        if texts := [text for text in opened.of_kind(kind) if text.strip()]:
            return "\n\n".join(texts)
    return ""


def _json(text: str) -> object:
    start = text[:2000].find("{")
    return first_json(text[start:]) if start >= 0 and ("otificationType" in text or "eventType" in text) else None


def _completed(report: Report, opened: OpenedMessage, original: Quoted, sent_to: str | None) -> Report:
    return replace(
        report,
        recipient=report.recipient and printable(report.recipient),
        diagnostic=printable(report.diagnostic),
        return_path=sent_to and printable(sent_to),
        message_id=printable(report.message_id or original.message_id or "") or None,
        token=printable(report.token or original.token or "") or None,
        reporter=printable(report.reporter or _sender(opened), 200),
        at=_date(opened),
    )


def _sender(opened: OpenedMessage) -> str:
    sender = addresses(opened.header("From"))
    return sender[0].rpartition("@")[2] if sender else ""


def _date(opened: OpenedMessage) -> datetime | None:
    try:
        at = parsedate_to_datetime(opened.header("Date"))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo else None

"""Reads delivery status notifications (RFC 3464), even if their fields are in a part of another type."""

import re

from digest.bounces.reading import codes, judging
from digest.bounces.reading.fields import Block, about, address, blocks
from digest.bounces.reading.opened import OpenedMessage
from digest.bounces.report import Report

_RECIPIENT = ("original-recipient", "final-recipient", "x-original-recipient", "x-actual-recipient")
_ACTIONS = ("failed", "delayed", "delivered", "relayed", "expanded")


def delivery_reports(message: OpenedMessage, notice: str) -> list[Report]:
    """Return a report for each recipient of each status part; an empty list without such fields."""
    texts = message.of_kind("message/delivery-status")
    reports = _read(texts, notice)
    if reports:
        return reports
    loose = [part.text for part in message.parts if "final-recipient" in part.text.lower()]
    return _read(loose, notice)


def _read(texts: list[str], notice: str) -> list[Report]:
    reports: dict[str, Report] = {}
    reporter = ""
    found = [block for text in texts for block in blocks(text)]
    recipients = [recipient for block in found if (recipient := _recipient(block))]
    for block in found:
        reporter = reporter or _name(block.get("reporting-mta", ""))
        recipient = _recipient(block)
        if recipient and ("action" in block or "status" in block or "diagnostic-code" in block):
            reports.setdefault(
                recipient.lower(), _report(block, recipient, reporter, about(notice, recipient, recipients))
            )
    return list(reports.values())


def _recipient(block: Block) -> str | None:
    return next((found for name in _RECIPIENT if (found := address(block.get(name, "")))), None)


def _report(block: Block, recipient: str, reporter: str, context: str) -> Report:
    diagnostic = block.get("diagnostic-code", "")
    diagnostic = re.sub(r"^[A-Za-z][\w-]{0,40}[ \t]*;[ \t]*", "", diagnostic)
    status = codes.enhanced(block.get("status", ""))
    action = block.get("action", "").lower().strip()
    if not action.startswith(_ACTIONS):
        action = "delayed" if (status or "").startswith("4") else "failed"
    kind, best = judging.judge(action, status, diagnostic or context, context)
    return Report(kind, best, recipient, diagnostic or context, reporter=reporter)


def _name(mta: str) -> str:
    return mta.partition(";")[2].strip() or mta.strip()

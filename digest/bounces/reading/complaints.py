"""Complaints in the Abuse Reporting Format (RFC 5965)."""

from digest.bounces.reading.fields import address, blocks
from digest.bounces.reading.opened import MAX_PARTS, OpenedMessage
from digest.bounces.reading.quoting import Quoted
from digest.bounces.report import Report, ReportKind

# These are about the sender's setup (RFC 6591) or withdraw a complaint; no recipient complained.
_NO_COMPLAINT = ("not-spam", "dmarc", "auth-failure", "dkim")


def complaints(message: OpenedMessage, original: Quoted) -> list[Report]:
    """Return a report for each recipient in a feedback report; an empty list for anything else."""
    texts = message.of_kind("message/feedback-report")
    fields = {name: value for text in texts for block in blocks(text) for name, value in block.items()}
    if not fields:
        return _of_hotmail(message, original)
    kind = fields.get("feedback-type", "").lower().strip()
    verdict = ReportKind.NONE if kind in _NO_COMPLAINT else ReportKind.COMPLAINT
    named = [found for text in texts for found in _recipients(text)] or list(original.to) or [""]
    return [
        Report(
            verdict,
            recipient=recipient or None,
            diagnostic=f"feedback: {kind or 'abuse'}",
            token=original.token or address(fields.get("original-mail-from", "")),
            reporter=fields.get("user-agent", ""),
        )
        for recipient in dict.fromkeys(named)
    ]


def _recipients(text: str) -> list[str]:
    found = []
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in ("original-rcpt-to", "removal-recipient") and (recipient := address(value)):
            found.append(recipient)
    return found


def _of_hotmail(message: OpenedMessage, original: Quoted) -> list[Report]:
    """Read a junk report of Outlook.com: the message is attached under new headers, without a feedback report."""
    for part in list(message.parsed.walk())[:MAX_PARTS]:
        if part is not message.parsed and (recipient := address(str(part.get("X-HmXmrOriginalRecipient", "")))):
            return [Report(ReportKind.COMPLAINT, recipient=recipient, token=original.token, reporter="Outlook.com")]
    return []

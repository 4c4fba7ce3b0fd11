"""Finds the refused SMTP command, if a notice shows it."""

import re
from enum import StrEnum


class SmtpCommand(StrEnum):
    SENDER = "MAIL FROM"  # or earlier: the connection, the greeting
    RECIPIENT = "RCPT TO"
    CONTENT = "DATA"
    UNSHOWN = ""


_REPLIED = re.compile(
    r"in reply to (?:the )?(?:end of )?(rcpt|mail|data|ehlo|helo|starttls|initial|auth)", re.IGNORECASE
)
_SENDER = (
    r"mail[ _]from(?::|\]| command)",
    r"sender was rejected",
    r"initial connection",
    r"(?:>>>|after|our|<<<|sent:) *(?:ehlo|helo|mail from)\b",
    r"\(state (?:[6-9]|1[0-3])\)",  # Gmail
)
_RECIPIENT = (
    r"rcpt[ _]to",
    r"recipient (?:address )?rejected",
    r"does not like recipient",
    r"rejected address",
    r"(?:after|our|for) rcpt",
    r"\(state 14\)",
)
_CONTENT = (
    r"end of data",
    r"final data",
    r"data command",
    r"\(state 1[5-8]\)",
    r"failed after i sent the message",
    r"(?:>>>|after|our|<<<|command) *\W{0,3}data\b",
)
_SHOWN = re.compile(
    f"(?P<sender>{'|'.join(_SENDER)})|(?P<recipient>{'|'.join(_RECIPIENT)})|(?P<content>{'|'.join(_CONTENT)})",
    re.IGNORECASE,
)
_BEGIN = {"rcpt": SmtpCommand.RECIPIENT, "data": SmtpCommand.CONTENT}
_GROUPS = {"sender": SmtpCommand.SENDER, "recipient": SmtpCommand.RECIPIENT, "content": SmtpCommand.CONTENT}


def refused(diagnostic: str, context: str = "") -> SmtpCommand:
    """Return the command named in the diagnostic, or else the last command before its reply in the context."""
    for text in (diagnostic, context):
        if match := _REPLIED.search(text):
            return _BEGIN.get(match[1].lower(), SmtpCommand.SENDER)
        if shown := list(_SHOWN.finditer(text[:6000])):
            return _last_before(_reply_at(text[:6000]), shown)
    return SmtpCommand.UNSHOWN


def _reply_at(text: str) -> int:
    """Return the position of the refusal: after "<<<" in a transcript, or else the first such reply code."""
    match = re.search(r"(?m)^[ \t]*<<< *5\d\d\b", text) or re.search(r"(?m)(?:^|:|said:?|;)\s*5\d\d\b", text)
    return match.start() if match else 0


def _last_before(reply: int, shown: list[re.Match[str]]) -> SmtpCommand:
    before = [match for match in shown if match.start() < reply]
    return _GROUPS[(before or shown)[-1].lastgroup or "sender"]

"""Which SMTP command was refused, as far as a notice shows it."""

import re
from enum import StrEnum


class Command(StrEnum):
    SENDER = "MAIL FROM"  # or before: the connection, the greeting
    RECIPIENT = "RCPT TO"
    CONTENT = "DATA"
    UNSHOWN = ""


_REPLIED = re.compile(
    r"in reply to (?:the )?(?:end of )?(rcpt|mail|data|ehlo|helo|starttls|initial|auth)", re.IGNORECASE
)
_SHOWN = re.compile(
    r"(?P<sender>mail from[: ]|sender was rejected|initial connection|(?:>>>|after|our|<<<|sent:) *(?:ehlo|helo|mail)\b)"
    r"|(?P<recipient>rcpt to|recipient (?:address )?rejected|does not like recipient|rejected address|(?:after|our|for) rcpt)"
    r"|(?P<content>end of data|final data|data command|failed after i sent the message|(?:>>>|after|our|<<<|command) *\W{0,3}data\b)",
    re.IGNORECASE,
)
_BEGIN = {"rcpt": Command.RECIPIENT, "data": Command.CONTENT}
_GROUPS = {"sender": Command.SENDER, "recipient": Command.RECIPIENT, "content": Command.CONTENT}


def refused(diagnostic: str, context: str = "") -> Command:
    """The command that the diagnostic names, else the last one that the context shows before its reply."""
    for text in (diagnostic, context):
        if match := _REPLIED.search(text):
            return _BEGIN.get(match[1].lower(), Command.SENDER)
        shown = list(_SHOWN.finditer(text[:4000]))
        if shown:
            reply = re.search(r"(?m)(?:^|<<<|:|said:?)\s*\(?(?:reason: )?5\d\d\b", text)
            before = [match for match in shown if reply and match.start() < reply.start()]
            return _GROUPS[(before[-1] if before else shown[0]).lastgroup or "sender"]
    return Command.UNSHOWN

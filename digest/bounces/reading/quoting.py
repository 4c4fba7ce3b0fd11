"""Finds the original message quoted in a report, and the headers that identify it."""

import re
from dataclasses import dataclass

from digest.bounces.reading.fields import Block, address, addresses, blocks, first_address
from digest.bounces.reading.opened import OpenedMessage

_MESSAGE = r"(?:message|mail|text|e-?mail|header)s?\b[^\n]{0,60}"
_QUOTES = (
    r"(?:this|below|here|attach|includ)\w*\b[^\n]{0,60}\b(?:copy|header|original|message|returned)\b",
    r"(?:(?:begin\w*|start) of |the )?(?:original|returned|unsent|undelivered|rejected|failed|bounced) " + _MESSAGE,
    r"your (?:message|mail)\b[^\n]{0,30}\b(?:follows|reads|below)",
    r"header of (?:the|your)\b|message (?:header|text|body|contents?)s?\b[^\n]{0,30}follow",
    r"the (?:header|first)\b[^\n]{0,80}(?:follow|message)",
    r"(?:return-path|received|x-originating-ip)[ \t]*:",
)
_BEGINS = re.compile(rf"^[ \t>*#_=-]*(?:{'|'.join(_QUOTES)})", re.IGNORECASE | re.MULTILINE)
_OPENING = re.compile(
    r"this (?:is a|message|mail|e-?mail)|your (?:message|mail|e-?mail)\b(?!.*(?:follow|reads|below))", re.IGNORECASE
)


@dataclass(frozen=True)
class Quoted:
    message_id: str | None = None
    token: str | None = None  # the header X-Digest-Token, or else the envelope sender
    to: tuple[str, ...] = ()
    senders: tuple[str, ...] = ()


def notice_and_rest(text: str) -> tuple[str, str]:
    """Split a text into the server's notice and the original message below it."""
    named = first_address(text)
    for match in _BEGINS.finditer(text, named):
        line = text[match.start() : text.find("\n", match.start()) % (len(text) + 1)]
        if _OPENING.search(line) and not re.search(r"copy|follow|header|attached", line, re.IGNORECASE):
            continue
        return text[: match.start()], text[match.start() :]
    return text, ""


def quoted(message: OpenedMessage, rest: str) -> Quoted:
    """Read the attached message or headers, or else the text below the notice."""
    for part in message.parsed.walk():
        if part is not message.parsed and part.get("Message-ID") and part.get("From"):
            headers: Block = {}
            for name, value in part.items()[:100]:
                headers.setdefault(name.lower(), " ".join(str(value).split())[:1000])
            return _from_headers(headers)
    for text in [*message.of_kind("text/rfc822-headers", "message/rfc822-headers"), rest]:
        for block in blocks(text)[:10]:
            if "message-id" in block:
                return _from_headers(block)
    return Quoted(to=tuple(addresses(rest[:4000])[:1]) if rest else ())


def _from_headers(headers: Block) -> Quoted:
    identity = re.search(r"<[^<>\s]{1,300}>", headers.get("message-id", ""))
    token = headers.get("x-digest-token") or address(headers.get("return-path", ""))
    to = addresses(headers.get("to", "")[:1000])
    senders = addresses(" ".join(headers.get(name, "")[:1000] for name in ("return-path", "from", "sender")))
    return Quoted(identity[0] if identity else None, token, tuple(to), tuple(senders))

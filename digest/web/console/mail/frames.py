"""A message in the console: its bytes composed for a preview, and its HTML in a frame in which nothing runs."""

from dataclasses import dataclass

from fastapi import Response
from fastapi.responses import HTMLResponse

from digest.lint import LintReport, ParsedMessage, lint
from digest.mail.preview import in_scheme

# Nothing in the frame runs or loads, and no link opens.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"
CLIPPED_AT = 102_400  # bytes of HTML beyond which Gmail cuts a message off


@dataclass(frozen=True, slots=True)
class MessageView:
    """The facts of a message for a page. Sizes are in bytes on the wire."""

    subject: str
    text: str
    head: str
    size: int
    html_size: int
    report: LintReport

    @property
    def is_clipped(self) -> bool:
        return self.html_size > CLIPPED_AT


def view_of(message: bytes) -> MessageView:
    parsed = ParsedMessage(message)
    head = parsed.head.decode("ascii", "backslashreplace")
    size = len(parsed.html_on_the_wire)
    return MessageView(parsed.subject, parsed.text, head, len(message), size, lint(message))


def framed(message: bytes, dark: bool) -> Response:
    """The HTML of a message as a page, for a frame."""
    html = in_scheme(ParsedMessage(message).html, dark)
    return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})

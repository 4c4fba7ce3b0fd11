"""An email in a frame of a page: nothing in it runs or loads."""

import re
from html import escape

from fastapi.responses import HTMLResponse

from digest.lint import ParsedMessage
from digest.web.guard import PERSONAL_PATHS

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


def email_frame(html: str) -> HTMLResponse:
    """The HTML of a message, whose links open outside of the frame, as in email programs."""
    html = html.replace("<head>", '<head><base target="_blank">', 1)
    return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})


def preview_frame(message: bytes, public_url: str, address: str = "", shown: str = "") -> HTMLResponse:
    """A message that is nobody's yet: its personal links lead nowhere. `shown` stands for its subscriber's address."""
    personal = "|".join(map(re.escape, PERSONAL_PATHS))
    html = re.sub(rf'\shref="{re.escape(public_url)}(?:{personal})[^"]*"', "", ParsedMessage(message).html)
    return email_frame(html.replace(escape(address), escape(shown)) if address else html)

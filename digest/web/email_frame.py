"""An email in a frame of a page: nothing in it runs or loads, and its personal links lead nowhere."""

import re

from fastapi.responses import HTMLResponse

from digest.lint import ParsedMessage
from digest.web.guard import PERSONAL_PATHS

# Links open outside of the frame, as email programs do it.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


def email_frame(message: bytes, public_url: str) -> HTMLResponse:
    """The HTML of a message that is nobody's yet."""
    html = ParsedMessage(message).html.replace("<head>", '<head><base target="_blank">', 1)
    personal = "|".join(map(re.escape, PERSONAL_PATHS))
    html = re.sub(rf'\shref="{re.escape(public_url)}(?:{personal})[^"]*"', "", html)
    return HTMLResponse(html, headers={"Content-Security-Policy": POLICY})

"""The demo's inbox as pages: what the local mail server has kept. Comes in: its Maildir. Read-only."""

from collections.abc import Callable
from pathlib import Path

from fastapi import APIRouter, HTTPException
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from digest.language import _
from digest.mail.kinds import KINDS
from digest.run.maildir import InboxMessage, message, messages
from digest.web.site import TheSite

_SAFE = ["GET", "HEAD"]
# The mail stands in a sandboxed frame: it runs nothing and loads nothing, but its links can be followed.
_MAIL_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)
_LABELS = {kind: row.label for kind, row in KINDS.items()}


def router(inbox_dir: Path) -> APIRouter:
    """The pages under /inbox, for the Maildir in `inbox_dir`."""
    routes = APIRouter(prefix="/inbox", include_in_schema=False)
    find = _finder(inbox_dir)

    @routes.api_route("", methods=_SAFE, response_class=HTMLResponse)
    def show_inbox(site: TheSite) -> Response:
        return site.pages.show("inbox", mails=messages(inbox_dir), kinds=_LABELS)

    @routes.api_route("/{key}", methods=_SAFE, response_class=HTMLResponse)
    def show_mail(site: TheSite, key: str) -> Response:
        return site.pages.show("inbox_mail", mail=find(key))

    @routes.api_route("/{key}/html", methods=_SAFE, response_class=HTMLResponse)
    def show_html(key: str) -> Response:
        return HTMLResponse(_in_new_tabs(find(key).html), headers={"Content-Security-Policy": _MAIL_POLICY})

    @routes.api_route("/{key}/raw", methods=_SAFE, response_class=PlainTextResponse)
    def show_raw(key: str) -> Response:
        return PlainTextResponse(find(key).raw)

    return routes


def _finder(inbox_dir: Path) -> Callable[[str], InboxMessage]:
    def find(key: str) -> InboxMessage:
        found = message(inbox_dir, key)
        if found is None:
            raise HTTPException(404, _("There’s no such email."))
        return found

    return find


def _in_new_tabs(html: str) -> str:
    """The mail with links that open outside of its frame, as mail programs do it."""
    return html.replace("<head>", '<head><base target="_blank">', 1)

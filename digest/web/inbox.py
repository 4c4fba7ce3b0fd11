"""The demo's inbox as pages: what the local mail server has kept. Comes in: its Maildir. Read-only."""

from pathlib import Path

from fastapi import HTTPException
from fastapi.responses import HTMLResponse, PlainTextResponse, Response

from digest.language import _
from digest.ledger.kinds import Kind
from digest.run.maildir import InboxMessage, mail, mails
from digest.web.site import PageRouter, TheSite

# The message stands in a sandboxed frame: it runs nothing and loads nothing, but its links can be followed.
_MESSAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; "
    "sandbox allow-popups allow-popups-to-escape-sandbox"
)


KINDS = {
    Kind.DIGEST: _("daily issue"),
    Kind.WEEKLY: _("weekly issue"),
    Kind.CATCH_UP: _("catch-up issue"),
    Kind.CONFIRMATION: _("confirmation"),
    Kind.ALREADY: _("already subscribed"),
    Kind.LINK: _("personal link"),
    Kind.GOODBYE: _("goodbye"),
}


def router(inbox_dir: Path) -> PageRouter:
    """The pages under /inbox, for the Maildir in `inbox_dir`."""
    routes = PageRouter(prefix="/inbox")

    def find(key: str) -> InboxMessage:
        message = mail(inbox_dir, key)
        if message is None:
            raise HTTPException(404, _("There’s no such email."))
        return message

    @routes.page("")
    def show_inbox(site: TheSite) -> Response:
        return site.pages.show("inbox", mails=mails(inbox_dir), kinds=KINDS)

    @routes.page("/{key}")
    def show_message(site: TheSite, key: str) -> Response:
        return site.pages.show("inbox_mail", mail=find(key))

    @routes.page("/{key}/html")
    def show_html(key: str) -> Response:
        # Links open outside of the frame, as mail programs do it.
        html = find(key).html.replace("<head>", '<head><base target="_blank">', 1)
        return HTMLResponse(html, headers={"Content-Security-Policy": _MESSAGE_POLICY})

    @routes.page("/{key}/raw")
    def show_raw(key: str) -> Response:
        return PlainTextResponse(find(key).raw)

    return routes

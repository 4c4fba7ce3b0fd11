"""The demo's inbox as pages: what the local mail server has kept. Comes in: its Maildir. Read-only."""

from pathlib import Path

from fastapi import Depends, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response

from digest.language import _
from digest.mail.kinds import KINDS
from digest.run.maildir import InboxMessage, message, messages
from digest.smtp import is_loopback
from digest.web.email_frame import email_frame
from digest.web.site import PageRouter, TheSite

_LABELS = {kind: row.label for kind, row in KINDS.items()}


def _from_this_machine(request: Request) -> None:
    """Raises HTTPException 404 for anyone else, whatever address the pages listen on: the messages have links."""
    client = request.client.host if request.client else ""
    if not (is_loopback(client) and is_loopback(request.url.hostname or "")):
        raise HTTPException(404)


def router(inbox_dir: Path) -> PageRouter:
    """The pages under /inbox, for the Maildir in `inbox_dir`."""
    routes = PageRouter(prefix="/inbox", dependencies=[Depends(_from_this_machine)])

    def find(key: str) -> InboxMessage:
        stored = message(inbox_dir, key)
        if stored is None:
            raise HTTPException(404, _("There’s no such email."))
        return stored

    @routes.page("")
    def show_inbox(site: TheSite) -> Response:
        return site.pages.show("inbox", mails=messages(inbox_dir), kinds=_LABELS)

    @routes.page("/{key}")
    def show_message(site: TheSite, key: str) -> Response:
        return site.pages.show("inbox_mail", mail=find(key))

    @routes.page("/{key}/html")
    def show_html(key: str) -> Response:
        return email_frame(find(key).html)

    @routes.page("/{key}/raw")
    def show_raw(key: str) -> Response:
        return PlainTextResponse(find(key).raw)

    return routes

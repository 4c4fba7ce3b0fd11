"""Identifies the person at the console and checks their role, for each of its pages and forms.

A person is signed in by the cookie of a session or by the header of a trusted proxy.
"""

import hashlib
import hmac
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import wraps
from ipaddress import ip_address, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.types import DecoratedCallable

from digest import clock
from digest.database.engine import DATABASE_AWAY, read_only, transaction
from digest.ledger import events
from digest.mail.suppression_guard import frozen
from digest.monitoring import operators
from digest.monitoring.operators import LONGEST, LONGEST_NAME, OperatorRole
from digest.settings import Settings
from digest.subscribers.preferences import value
from digest.text import minute_of
from digest.web.server import PEER
from digest.web.site import EarlyAnswer, PageRouter, Posted, Site, TheSite

PATH = "/console"
# The sentences that pages show after an action, by the name in the address.
NOTICES = {
    "paused": "The issue is paused. Messages that are on their way still arrive.",
    "running": "The issue goes on.",
    "cancelled": "The issue is cancelled.",
    "withdrawn": "The issue is off the site and the feeds.",
    "shown": "The issue is on the site again.",
    "unchanged": "Nothing changed: it was so already, or somebody was faster.",
    "paper-pinned": "The paper is pinned: it is at the top of the issue.",
    "paper-removed": "The paper is removed: nobody gets it in this issue.",
    "paper-postponed": "The paper is postponed.",
    "undone": "The choice is undone.",
    "queued": "They are queued again.",
    "sending-paused": "Sending is paused. Messages that are on their way still arrive.",
    "sending-resumed": "Sending goes on.",
    "unsettled": "Sending is still paused: after a restore, run digest settle in a shell.",
    "added": "The address is asked to confirm.",
    "added-confirmed": "The address is subscribed.",
    "not-added": "Nothing changed: the address is subscribed already, suppressed, has left, or was asked too often.",
    "subscriber-paused": "They get no issue until that day.",
    "subscriber-resumed": "Their pause is over.",
    "unsubscribed": "They are unsubscribed.",
    "resubscribed": "They are subscribed again.",
    "suppressed": "The address gets no message from now on.",
    "not-suppressed": "Nothing changed: the address is suppressed already.",
    "notice-kept": "The notice is kept as a draft. Nobody gets it before you send it.",
    "notice-sent": "The notice is sent: in a moment it is queued for everyone.",
    "notice-back": "The notice is a draft again. Nobody got it.",
    "notice-number": "Nothing was sent: the number you typed is not the number of subscribers.",
    "notice-lately": "Nothing was sent: the same notice was sent within the last day. Tick the box to send it again.",
    "notice-test": "The test is on its way. What became of it is below, after a reload.",
    "bad-address": "Nothing was sent: that is not an email address.",
    "token-revoked": "The token no longer works.",
    "unfrozen": "Addresses are suppressed automatically again.",
    "lifted": "The address may get messages again.",
    "webhook-disabled": "The endpoint is disabled. Its events wait.",
    "webhook-enabled": "The endpoint is enabled. What has waited is sent now.",
    "webhook-tested": "A test is on its way. Reload this page to see the answer.",
    "webhook-replayed": "They are sent again now.",
    "webhook-removed": "The endpoint is removed.",
}
THROUGH = "console"  # in the operators' log
TOKEN = "form_token"  # noqa: S105 - the name of a field


@dataclass(frozen=True, slots=True)
class Visitor:
    """Someone who is signed in to the console."""

    site: Site
    name: str
    role: OperatorRole
    session: str  # its id; "" for someone whom a proxy vouches for at each request
    notice: str = ""  # of the action before this page

    @property
    def may_act(self) -> bool:
        return self.role is OperatorRole.OPERATOR

    @property
    def form_token(self) -> str:
        """The token in each of their forms, which another site can neither read nor compute."""
        subject = f"session\0{self.session}" if self.session else f"proxy\0{self.name}"
        return hmac.new(self.site.keys[0], f"console form\0{subject}".encode(), hashlib.sha256).hexdigest()[:32]

    def show(self, name: str, code: int = 200, /, **values: Any) -> HTMLResponse:
        """The console's page `name`."""
        with suppress(*DATABASE_AWAY), read_only(self.site.engine) as connection:
            values["freeze"] = frozen(connection)
        page = self.site.pages.render(f"console/{name}.html", visitor=self, minute=minute_of, **values)
        return HTMLResponse(page, code)


def stranger_page(site: Site, name: str, status: int, **values: Any) -> HTMLResponse:
    """A page of the console for someone who is not signed in, which names nothing and nobody."""
    return HTMLResponse(site.pages.render(f"console/{name}.html", visitor=None, **values), status)


def signed_in(site: TheSite, request: Request) -> Visitor:
    """The person at the console. Raises EarlyAnswer for a stranger."""
    visitor = _by_proxy(site, request) or _by_session(site, request)
    notice = NOTICES.get(request.query_params.get("done", ""), "")
    if visitor is None:
        answer = stranger_page(site, "sign_in_first", 401)
        answer.headers["WWW-Authenticate"] = 'Cookie realm="console"'  # RFC 9110 §11.6.1 wants one
        raise EarlyAnswer(answer)
    return replace(visitor, notice=notice)


def own_form(visitor: Annotated[Visitor, Depends(signed_in)], form: Posted) -> Visitor:
    """The person who sent a form. Raises EarlyAnswer if it is not from their own session."""
    if not hmac.compare_digest(value(form, TOKEN).encode(), visitor.form_token.encode()):
        raise EarlyAnswer(visitor.show("refused", 403, heading="This form is out of date", why=_OLD_FORM))
    return visitor


def acting(visitor: Annotated[Visitor, Depends(own_form)]) -> Visitor:
    """The operator who sent a form. Raises EarlyAnswer for a viewer."""
    if not visitor.may_act:
        raise EarlyAnswer(visitor.show("refused", 403, heading="Viewers can’t change anything", why=_VIEWER))
    return visitor


_OLD_FORM = "It belongs to a session that has ended, so nothing has changed. Open the page again and repeat the action."
_VIEWER = "Your role is viewer, so nothing has changed. To get another role: digest console link --role operator"
AnyRole = Annotated[Visitor, Depends(signed_in)]
OwnForm = Annotated[Visitor, Depends(own_form)]
OperatorOnly = Annotated[Visitor, Depends(acting)]


class ConsoleRouter(PageRouter):
    """Pages for everyone who is signed in, and forms for operators. No route can forget to ask who it is."""

    def page(self, path: str, **options: Any) -> Callable[[DecoratedCallable], DecoratedCallable]:
        return super().page(PATH + path, dependencies=[Depends(signed_in)], **options)

    def action(self, path: str) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """A form that changes something. Its events name the person, whom the endpoint takes as `visitor`."""

        def registered(endpoint: DecoratedCallable) -> DecoratedCallable:
            @wraps(endpoint)
            def logged(visitor: Visitor, **named: Any) -> Any:
                with events.acting(visitor.name, THROUGH):
                    return endpoint(visitor=visitor, **named)

            self.post(PATH + path, dependencies=[Depends(acting)])(logged)
            return endpoint

        return registered


# --- cookies and headers ---


def cookie_name(settings: Settings) -> str:
    """With the prefix, browsers take the cookie from this site alone and over https alone."""
    return "__Host-console" if _is_https(settings) else "console"


def keep_session(answer: Response, settings: Settings, session: str) -> Response:
    """`answer` with the cookie of a session; "" removes it."""
    answer.set_cookie(
        cookie_name(settings),
        session,
        max_age=int(LONGEST.total_seconds()) if session else 0,
        path="/" if _is_https(settings) else urlsplit(settings.public_url).path + PATH,  # the prefix allows only "/"
        secure=_is_https(settings),
        httponly=True,
        samesite="strict",
    )
    return answer


def session_of(request: Request, settings: Settings) -> str:
    """The id in the cookie, or ""."""
    return request.cookies.get(cookie_name(settings), "")[:100]


def go_to(site: Site, path: str) -> Response:
    """After a form: the page at `path` of the console, which a reload does not send again."""
    return RedirectResponse(urlsplit(site.settings.public_url).path + PATH + path, 303)


def _is_https(settings: Settings) -> bool:
    return settings.public_url.startswith("https:")


def _by_session(site: Site, request: Request) -> Visitor | None:
    session = session_of(request, site.settings)
    if not session:
        return None
    now = clock.now()
    with read_only(site.engine) as connection:
        current = operators.session_of(connection, session, now)
    if current is None:
        return None
    name, role, is_due = current
    if is_due:
        with suppress(*DATABASE_AWAY), transaction(site.engine) as connection:  # busy: the next request does it
            operators.note_seen(connection, session, now)
    return Visitor(site, name, role, session)


def _by_proxy(site: Site, request: Request) -> Visitor | None:
    """The person named by the header of a proxy that is trusted to name them."""
    settings = site.settings
    if not settings.console_user_header or not _is_among(request.scope[PEER], settings.console_proxies):
        return None
    names = request.headers.getlist(settings.console_user_header)
    if len(names) != 1 or not names[0].isprintable() or not 0 < len(names[0]) <= LONGEST_NAME:
        return None  # two would be one of the proxy's and one of somebody else's
    with read_only(site.engine) as connection:
        role = operators.role_of(connection, names[0])
    if role is None and settings.console_header_role:
        role = OperatorRole(settings.console_header_role)
    return Visitor(site, names[0], role, "") if role else None


def _is_among(host: str, networks: str) -> bool:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return any(address in ip_network(network) for network in networks.split(","))

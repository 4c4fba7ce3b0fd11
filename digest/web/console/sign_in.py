"""Signing in with a one-time link, and signing out."""

from concurrent.futures import ThreadPoolExecutor

import structlog
from fastapi import Request, Response

from digest import clock
from digest.database.engine import transaction
from digest.ledger import events
from digest.monitoring import operators
from digest.monitoring.operators import LONGEST_NAME
from digest.monitoring.sign_in_mail import mail_requested_link
from digest.subscribers.admission import SecretKind, TooMany
from digest.subscribers.preferences import value
from digest.web.console.access import (
    PATH,
    THROUGH,
    ConsoleRouter,
    OwnForm,
    go_to,
    keep_session,
    session_of,
    stranger_page,
)
from digest.web.site import PageRouter, Posted, Site, TheSite

log = structlog.get_logger()

router = ConsoleRouter()
open_to_all = PageRouter()
# Not in the request's own thread: the next request of the same connection would wait for it, and tell who exists.
_errands = ThreadPoolExecutor(1, "sign-in links")


@open_to_all.page(PATH + "/sign-in")
async def ask_for_link_page(site: TheSite) -> Response:
    return stranger_page(site, "sign_in_first", 200)


@open_to_all.post(PATH + "/sign-in")
def ask_for_link(site: TheSite, request: Request, form: Posted) -> Response:
    """Mail a link to the operator of this name. The answer is the same for every name, and comes before the look-up."""
    name, client = value(form, "operator").strip()[:LONGEST_NAME], request.client.host if request.client else ""
    try:
        with transaction(site.engine) as connection:
            may_send = site.admission.take_link(connection, client, name, clock.now())
    except TooMany as problem:
        return _too_many(site, problem)
    if may_send:
        _errands.submit(mail_requested_link, site.engine, site.settings, name)
    return stranger_page(site, "link_on_its_way", 200)


@open_to_all.page(PATH + "/sign-in/{secret}")
async def sign_in_page(site: TheSite) -> Response:
    """One button. Mail scanners open every link, so opening this one changes nothing, and says nothing about it."""
    return stranger_page(site, "sign_in", 200)


@open_to_all.post(PATH + "/sign-in/{secret}")
def sign_in(site: TheSite, request: Request, secret: str) -> Response:
    """Begin a session. A wrong, a used and an old link get the same answer."""
    now, client = clock.now(), request.client.host if request.client else ""
    try:
        with transaction(site.engine) as connection:
            site.admission.take_attempt(connection, SecretKind.SIGN_IN, client, now)
            session = operators.sign_in(connection, secret, now, session_of(request, site.settings))
            if session is None:
                events.record_once_a_day(connection, now, "console", "a link to sign in did not work", {})
    except TooMany as problem:
        return _too_many(site, problem)
    if session is None:
        log.warning("a link to sign in to the console did not work")
        return stranger_page(site, "wrong_link", 403)
    return keep_session(go_to(site, ""), site.settings, session)


def _too_many(site: Site, problem: TooMany) -> Response:
    answer = stranger_page(site, "too_many_attempts", 429, minutes=max(1, round(problem.seconds / 60)))
    answer.headers["Retry-After"] = str(int(problem.seconds) + 1)
    return answer


@open_to_all.post(PATH + "/sign-out")
def sign_out(site: TheSite, visitor: OwnForm) -> Response:
    """End the session, which any role may do."""
    with events.acting(visitor.name, THROUGH), transaction(site.engine) as connection:
        operators.sign_out(connection, visitor.session, visitor.name, clock.now())
    return keep_session(go_to(site, ""), site.settings, "")


router.include_router(open_to_all)

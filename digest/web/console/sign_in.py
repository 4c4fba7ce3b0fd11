"""Signing in with a one-time link, and signing out."""

import structlog
from fastapi import Request, Response

from digest import clock
from digest.database.engine import transaction
from digest.ledger import events
from digest.monitoring import operators
from digest.subscribers.admission import Attempt, TooMany
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
from digest.web.site import PageRouter, TheSite

log = structlog.get_logger()

router = ConsoleRouter()
open_to_all = PageRouter()


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
            site.admission.take_attempt(connection, Attempt.SIGN_IN, client, now)
            session = operators.sign_in(connection, secret, now, session_of(request, site.settings))
            if session is None:
                events.record_once_a_day(connection, now, "console", "a link to sign in did not work", {})
    except TooMany as problem:
        answer = stranger_page(site, "too_many_attempts", 429, minutes=max(1, round(problem.seconds / 60)))
        answer.headers["Retry-After"] = str(int(problem.seconds) + 1)
        return answer
    if session is None:
        log.warning("a link to sign in to the console did not work")
        return stranger_page(site, "wrong_link", 403)
    return keep_session(go_to(site, ""), site.settings, session)


@open_to_all.post(PATH + "/sign-out")
def sign_out(site: TheSite, visitor: OwnForm) -> Response:
    """End the session, which any role may do."""
    with events.acting(visitor.name, THROUGH), transaction(site.engine) as connection:
        operators.sign_out(connection, visitor.session, visitor.name, clock.now())
    return keep_session(go_to(site, ""), site.settings, "")


router.include_router(open_to_all)

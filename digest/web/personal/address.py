"""Changing one's address: the form behind a fresh link, and the pages behind the links to the old and new address.

Neither the answer to the form nor its time reveals anything about the new address: see signup.py.
"""

import math
import time
from functools import partial
from typing import Any

import anyio
import structlog
from fastapi import Request, Response
from fastapi.responses import PlainTextResponse
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from digest import clock
from digest.database.engine import read_only
from digest.language import Message, _
from digest.subscribers.address_change import store
from digest.subscribers.address_change.asking import ChangeRefusal, NewRequest, queue_emails, request_change
from digest.subscribers.address_change.change import AddressChange, ChangeOutcome, Side
from digest.subscribers.address_change.confirming import cancel_change, confirm_change, decline_change, find_change
from digest.subscribers.admission import EmailRequest, TooMany
from digest.subscribers.preferences import Form, value
from digest.subscribers.subscriber import Subscriber
from digest.subscribers.tokens import verify
from digest.text import domain_of
from digest.web.pages import Pages
from digest.web.personal import one_click, signup
from digest.web.personal.links import TO_PREFERENCES, ManageLink, PersonalLink, say_done, shortened
from digest.web.site import EarlyAnswer, PageRouter, Posted, PostedAnything, Site, TheSite
from digest.web.writing import CANNOT_BE_USED, after_others, in_turn

log = structlog.get_logger()

FORM = "address 1"  # what the record of a request calls the form below; a new text gets a new number
_EMAILS = 2  # that one request causes

router = PageRouter()


# --- behind the links to the two addresses ---


@router.page("/address/{side}/{token:path}")
def confirm_page(site: TheSite, side: Side, token: str) -> Response:
    """Two buttons. Opening the page changes nothing, since mail scanners open every link."""
    change, pages = _opened(site, side, token)
    # A stranger may have the link to the new address, so that page does not name the old one.
    has_confirmed = change.confirmed_at(side) is not None
    return pages.show("confirm_address", side=side, new=change.new_email, has_confirmed=has_confirmed)


@router.post("/address/{side}/{token:path}")
def confirm(site: TheSite, request: Request, side: Side, token: str, form: PostedAnything) -> Response:
    """Confirm, or end the request; also by the one-click of an email program (RFC 8058) at the new address."""
    change, pages = _opened(site, side, token)
    now, engine = clock.now(), site.engine
    if side is Side.NEW and (one_click.FIELD in form or value(form, "action") == "decline"):
        decline_change(engine, change.id, now)
        if one_click.FIELD in form:
            return PlainTextResponse(site.pages.language.say(one_click.UNSUBSCRIBED))
        return say_done(pages, _("We won’t email this address again"), _("Nothing else has changed."))
    if side is Side.OLD and value(form, "action") == "cancel":
        cancel_change(engine, change.id, now)
        return say_done(pages, _("The change is cancelled"), _("Your emails keep coming to this address."))
    match confirm_change(engine, change.id, side, now, site.client_hash(request)):
        case ChangeOutcome.WAITING:
            return say_done(pages, _("Thanks for confirming"), _waiting(side, change))
        case ChangeOutcome.CHANGED:
            return _say_changed(site, pages, change, is_first=True)
        case ChangeOutcome.TAKEN:
            words = _("The new address has subscribed in the meantime, so nothing has changed.")
            return pages.say(_("This address can’t be used"), words, status=409)
        case ChangeOutcome.ENDED:
            return _ended(pages)


def _opened(site: Site, side: Side, token: str) -> tuple[AddressChange, Pages]:
    """The open request behind a link. Raises EarlyAnswer: the page that says how things stand."""
    content = verify(side.purpose, token, site.keys)
    found = find_change(site.engine, content.subscriber_id) if content else None
    if content is None or found is None:
        raise EarlyAnswer(site.pages.show("lost", 404))
    change, subscriber = found
    pages = site.pages.speaking(subscriber.preferences.language)
    if change.changed_at is not None:
        raise EarlyAnswer(_say_changed(site, pages, change))
    if not change.is_open(clock.now()) or content.version != subscriber.link_version:
        raise EarlyAnswer(_ended(pages))
    return change, pages


def _waiting(side: Side, change: AddressChange) -> Message:
    if side is Side.OLD:
        return _("Now open the link that we’ve emailed to %(new)s, and confirm there too.", new=change.new_email)
    return _("Now open the link that we’ve emailed to your old address, and confirm there too.")


def _say_changed(site: Site, pages: Pages, change: AddressChange, is_first: bool = False) -> Response:
    # Later, somebody else may have the old address and what was sent to it.
    shown = change.new_email if is_first else shortened(change.new_email)
    return say_done(
        pages,
        _("Your address has changed"),
        _("Your emails now go to %(new)s. Your settings, history and feedback are kept.", new=shown),
        more=TO_PREFERENCES,
        after=site.hint_later() if is_first else None,
    )


def _ended(pages: Pages) -> Response:
    words = _("Nothing has changed. The request was cancelled, was replaced by a newer one, or is too old.")
    return pages.say(_("This link doesn’t work any more"), words, status=410)


# --- behind a fresh link ---


@router.page("/address/{token:path}")
def address_page(link: ManageLink) -> Response:
    """The form, and the request that is open."""
    return _show(_fresh(link))


@router.post("/address/{token:path}")
async def ask(link: ManageLink, request: Request, form: Posted) -> Response:
    """Take the new address, or end the open request."""
    began, site = time.perf_counter(), _fresh(link).site
    if value(form, "action") == "cancel":
        return await in_turn(partial(_cancel, link))()
    new = await run_in_threadpool(_request_in, link, request, form)
    client = request.client.host if request.client else ""
    wanted = EmailRequest(client, domain_of(new.address), _EMAILS)
    try:
        site.admission.check(wanted)
        stored = await in_turn(partial(_store, link, new, wanted))()
    except TooMany as problem:
        answer = await run_in_threadpool(_show, link, 429, new.address, signup.words_for(problem))
        answer.headers["Retry-After"] = str(math.ceil(problem.seconds))
        return answer
    if isinstance(stored, ChangeRefusal):
        return await run_in_threadpool(_show, link, 400, new.address, _why_not(link, stored))
    answer = _ask_both(link, new.address, BackgroundTask(_queue_emails, site, stored.id))
    await anyio.sleep(max(0.0, signup.ANSWER_SECONDS - (time.perf_counter() - began)))
    return answer


def _fresh(link: PersonalLink) -> PersonalLink:
    """The link. Raises EarlyAnswer for one from an email that was not asked for just now, and may be forwarded."""
    if not link.is_fresh:
        words = _("Nothing has changed. Go back to your preferences and ask for a new link.")
        raise EarlyAnswer(link.pages.say(_("This link has expired"), words, status=403))
    return link


def _request_in(link: PersonalLink, request: Request, form: Form) -> NewRequest:
    address = signup.typed_address(link.site, form, partial(_show, link), is_to_subscribe=True)
    return NewRequest(address, clock.now(), link.site.client_hash(request), FORM)


def _store(link: PersonalLink, new: NewRequest, wanted: EmailRequest) -> AddressChange | ChangeRefusal:
    """The work of the answer: the same for every new address."""
    site = link.site
    try:
        admit = partial(site.admission.take, request=wanted, now=new.requested_at)
        return request_change(site.engine, link.subscriber.id, new, site.secret, admit)
    except TooMany as problem:
        site.admission.tell_operator(problem, new.requested_at)
        raise


async def _queue_emails(site: Site, number: int) -> None:
    try:
        queued = await after_others(partial(queue_emails, site.engine, number, clock.now(), site.secret))
    except (*CANNOT_BE_USED, HTTPException):
        log.warning("a change of address waits for the scheduler, since the database cannot be used")
        return
    if queued:
        site.hint()


def _cancel(link: PersonalLink) -> Response:
    with read_only(link.site.engine) as connection:
        change = store.open_change(connection, link.subscriber.id)
    if change is not None:
        cancel_change(link.site.engine, change.id, clock.now())
    return _show(link)


def _why_not(link: PersonalLink, refusal: ChangeRefusal) -> Message:
    match refusal:
        case ChangeRefusal.NOT_SUBSCRIBED:
            return _("You’re not subscribed at the moment. Resubscribe in your preferences first.")
        case ChangeRefusal.SAME:
            return _("This is your address already.")
        case ChangeRefusal.TOO_OFTEN:
            return _("You’ve asked for this several times lately. Please try again tomorrow.")
        case ChangeRefusal.SUPPRESSED:
            return _(
                "We can’t email your current address to ask it, so please write to us: %(contact)s",
                contact=link.site.contact,
            )


def _ask_both(link: PersonalLink, new: str, after: BackgroundTask) -> Response:
    """Only the inboxes show whether we sent anything."""
    subscriber: Subscriber = link.subscriber
    return link.pages.say(
        _("Check both inboxes"),
        _(
            "We’re emailing a link to %(old)s, and one to %(new)s if it can get mail from us. Open both and confirm;"
            " the order doesn’t matter. Until then, nothing changes.",
            old=subscriber.email,
            new=new,
        ),
        _("Nothing after an hour? Check your spam folder, then write to us: %(contact)s", contact=link.site.contact),
        after=after,
    )


def _show(
    link: PersonalLink, status: int = 200, email: str = "", error: str | Message = "", meant: str = ""
) -> Response:
    with read_only(link.site.engine) as connection:
        change = store.open_change(connection, link.subscriber.id)
    pending = change if change and change.is_open(clock.now()) else None
    form: dict[str, Any] = {"typed": email, "error": error, "meant": meant}
    return link.show("change_address", status, email=link.subscriber.email, pending=pending, **form)

"""Signing up: the front page with its one field, the confirmation link, and "email me my link".

Neither the answer nor its time reveals whether an address is subscribed; only its inbox shows that. So a request is
stored, which is the same work for every address, and carried out after the answer.
"""

import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import structlog
from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from digest import clock
from digest.database.engine import read_singly, transaction
from digest.issues import first_issue
from digest.issues.archive import part_of_issue
from digest.language import Message, _, n_
from digest.ledger.kinds import Kind, Status
from digest.papers.store import latest_papers
from digest.subscribers import subscriptions
from digest.subscribers.addresses import BadAddress, is_role, normalise, suggestion
from digest.subscribers.admission import WITHOUT_FORM_TIME, EmailRequest, LimitScope, TooMany
from digest.subscribers.form_requests import FormRequest, carry_out, store_request
from digest.subscribers.preferences import (
    Form,
    fields_of,
    fields_typed,
    holds_preferences,
    parse_preferences,
    value,
)
from digest.subscribers.tokens import CONFIRM_FOR, Purpose
from digest.text import domain_of
from digest.web import form_time
from digest.web.cards import card, paper_card
from digest.web.pages import Pages
from digest.web.personal.links import TO_PREFERENCES, PersonalLink, open_link, say_done
from digest.web.site import REVALIDATED, EarlyAnswer, PageRouter, Posted, Site, TheSite, same_for_all
from digest.web.writing import CANNOT_BE_USED, after_others, in_turn
from digest.zones import known_zone

log = structlog.get_logger()

FORM = "web 1"  # what the record of consent calls the form below; a new text gets a new number
CARDS = 10
# An answer comes this long after its request, which hides how busy the request before it keeps us.
ANSWER_SECONDS = 0.15
_KINDS = {"subscribe": Kind.CONFIRMATION, "manage": Kind.LINK}
_EMPTY: dict[str, Any] = {"email": "", "error": "", "meant": ""}

router = PageRouter()


@router.page("/")
def front_page(site: TheSite, request: Request) -> Response:
    """One field, and today's papers."""
    with read_singly(site.engine) as connection:
        part = part_of_issue(connection, range(1, CARDS + 1))
        papers = [] if part else latest_papers(connection, CARDS)
    day = part.issue.date if part else None
    cards = [card(listed) for listed in part.papers] if part else [paper_card(paper) for paper in papers]
    issue, voted = part.issue if part else None, part is None or part.has_votes
    page = site.pages.show("front", day=day, issue=issue, cards=cards, voted=voted, **_EMPTY)
    return same_for_all(request, page, cache=REVALIDATED)  # a new issue is seen at once


@router.page("/subscribe")
def to_the_form(site: TheSite) -> Response:
    """Shows the form again after a reload or a bookmark of the answer."""
    return RedirectResponse(site.pages.at("/"), 303)


@router.post("/subscribe")
async def subscribe(site: TheSite, request: Request, form: Posted) -> Response:
    """Take the address, and say to look for our message."""
    words = _(
        "If this address can get mail from us, a link arrives within minutes. Use it to confirm your address, and"
        " your subscription starts."
    )
    return await _take(site, request, form, "subscribe", words)


@router.page("/confirm/{token:path}")
def confirm_page(site: TheSite, token: str) -> Response:
    """One button. Opening the page changes nothing, since mail scanners open every link."""
    link = _pending(site, token)
    return link.pages.show("confirm", fields=fields_of(link.subscriber.preferences, clock.now()), errors={})


@router.post("/confirm/{token:path}")
def confirm(site: TheSite, request: Request, token: str, form: Posted) -> Response:
    """Confirm, with preferences where the form holds some."""
    now, link = clock.now(), _pending(site, token, send_again=bool(value(form, "again")))
    before, preferences = link.subscriber.preferences, None
    if holds_preferences(form):
        preferences = parse_preferences(form, now, before, link.pages.languages.codes)
    if isinstance(preferences, dict):
        fields = fields_typed(form, fields_of(before, now))
        return link.pages.show("confirm", 400, fields=fields, errors=preferences)
    client = site.client_hash(request)
    confirmed = first_issue.confirm(site.engine, link.subscriber.id, client, now, preferences)
    if confirmed is None:
        return _unsubscribed_since(link.pages)
    path = f"/my/{replace(link, subscriber=confirmed).sign(Purpose.MANAGE, now)}/welcome"
    return RedirectResponse(link.pages.at(path), 303, background=site.hint_later())


@router.page("/manage")
def manage_page(site: TheSite) -> Response:
    """The form for a lost link to one's preferences."""
    return site.pages.show("manage", **_EMPTY)


@router.post("/manage")
async def mail_link(site: TheSite, request: Request, form: Posted) -> Response:
    """Mail the link, if the address is a subscriber's."""
    words = _(
        "If this address is subscribed and can get mail from us, its personal link arrives within minutes."
        " It’s also at the bottom of every issue."
    )
    return await _take(site, request, form, "manage", words)


async def _take(site: Site, request: Request, form: Form, page: str, words: Message) -> Response:
    """Store a request for an email, and carry it out after the answer. Corrections are answered at once.

    Raises EarlyAnswer: the page again, with what was typed and what is wrong with it.
    """
    began = time.perf_counter()
    asked_for, wanted = _request_in(site, request, form, page)
    after = None
    if not _is_a_program(form):
        try:
            site.admission.check(wanted)
            await in_turn(partial(_store, site, wanted, asked_for))()
        except TooMany as problem:
            raise EarlyAnswer(_too_many(site, page, asked_for.email, problem)) from None
        after = BackgroundTask(_carry_out, site, asked_for)
    answer = _may_arrive(site, site.pages, words, after)
    await anyio.sleep(max(0.0, ANSWER_SECONDS - (time.perf_counter() - began)))
    return answer


def _request_in(site: Site, request: Request, form: Form, page: str) -> tuple[FormRequest, EmailRequest]:
    """The request in the form, and the same as the limits see it."""
    address = typed_address(site, form, partial(site.pages.show, page), page == "subscribe")
    now, made = clock.now(), value(form, form_time.FIELD)
    if made and not form_time.is_fit(made, site.keys, now):
        words = _("This form was sent too fast or was open for too long. Please click the button again.")
        raise EarlyAnswer(site.pages.show(page, 400, email=address, error=words, meant=""))
    zone = known_zone(value(form, "zone")) or "UTC"
    client = request.client.host if request.client else ""
    return (
        FormRequest(_KINDS[page], address, now, site.client_hash(request), FORM, zone, site.pages.language.code),
        EmailRequest(client, domain_of(address), 1 if made else WITHOUT_FORM_TIME),
    )


def _store(site: Site, wanted: EmailRequest, request: FormRequest) -> None:
    """The work of the answer: the same for every address."""
    try:
        with transaction(site.engine) as connection:
            site.admission.take(connection, wanted, request.requested_at)
            store_request(connection, request)
    except TooMany as problem:
        site.admission.tell_operator(problem, request.requested_at)
        raise


async def _carry_out(site: Site, request: FormRequest) -> None:
    try:
        queued = await after_others(partial(carry_out, site.engine, request, site.secret))
    except (*CANNOT_BE_USED, HTTPException):
        log.warning("a request for an email waits for the scheduler, since the database cannot be used")
        return
    if queued:
        site.hint()


def _too_many(site: Site, page: str, address: str, problem: TooMany) -> Response:
    answer = site.pages.show_typed(page, 429, address, error=words_for(problem), meant="")
    answer.headers["Retry-After"] = str(math.ceil(problem.seconds))
    return answer


def words_for(problem: TooMany) -> Message:
    """The text for someone whose request is beyond a limit."""
    minutes = math.ceil(problem.seconds / 60)
    if problem.scope in (LimitScope.CLIENT, LimitScope.NETWORK):
        return n_(
            "Too many requests came from your network. Please try again in %(num)s minute.",
            "Too many requests came from your network. Please try again in %(num)s minutes.",
            num=minutes,
        )
    return n_(
        "We’re getting too many requests right now. Please try again in %(num)s minute.",
        "We’re getting too many requests right now. Please try again in %(num)s minutes.",
        num=minutes,
    )


def typed_address(site: Site, form: Form, show: Callable[..., Response], is_to_subscribe: bool) -> str:
    """The address that was typed. Raises EarlyAnswer: the form again, by `show`, with what is wrong with it."""
    typed, confirmed = value(form, "email"), value(form, "as_typed")
    try:
        address = normalise(confirmed or typed, site.settings.own_domains)
        if is_to_subscribe and is_role(address):
            raise BadAddress(_("This address belongs to a role, not to a person. Please use your own address."))
    except BadAddress as bad:
        raise EarlyAnswer(show(400, email=typed[:254], error=bad.words, meant="")) from None
    meant = suggestion(address)
    if meant and not confirmed:
        raise EarlyAnswer(show(400, email=address, error="", meant=meant))
    return address


def _is_a_program(form: Form) -> bool:
    """True if the honeypot is filled in: people do not see that field, programs fill in every one."""
    return bool(value(form, "website"))


def _pending(site: Site, token: str, send_again: bool = False) -> PersonalLink:
    """The link of somebody who may confirm with it. Raises EarlyAnswer: the page that says how things stand."""
    link = open_link(site, Purpose.CONFIRM, token)
    if link is None:
        text = _(
            "Your email app may have broken the link, or you may have signed up too long ago. Copy"
            " the whole address from the email, or sign up again on the home page."
        )
        raise EarlyAnswer(site.pages.say(_("This link doesn’t work"), text, status=404))
    if not subscriptions.may_confirm(site.engine, link.subscriber):
        is_confirmed = link.subscriber.status is Status.CONFIRMED
        raise EarlyAnswer((_already_confirmed if is_confirmed else _unsubscribed_since)(link.pages))
    if link.token.has_expired(CONFIRM_FOR, clock.now()):
        raise EarlyAnswer(_sent_again(link) if send_again else link.pages.show("expired", 410))
    return link


def _sent_again(link: PersonalLink) -> Response:
    queued = subscriptions.confirm_again(link.site.engine, link.subscriber.id, clock.now())
    words = _("If this address can get mail from us, a new link arrives within minutes.")
    return _may_arrive(link.site, link.pages, words, link.site.hint_later() if queued else None)


def _may_arrive(site: Site, pages: Pages, words: Message, after: BackgroundTask | None = None) -> Response:
    """Only the inbox shows whether we sent anything, so the page says what to do when nothing arrives."""
    return pages.say(
        _("Check your inbox"),
        words,
        _("Nothing after an hour? Check your spam folder, then write to us: %(contact)s", contact=site.contact),
        _("To protect your inbox, we send at most one such email a day and three a month."),
        after=after,
    )


def _already_confirmed(pages: Pages) -> Response:
    """Opens nothing of the subscriber's: the link may be in a forwarded email."""
    return say_done(
        pages,
        _("You’re subscribed"),
        _("If there’s a recent issue, it’s on its way. After that, issues arrive at the time set in your preferences."),
        _("Every issue has links to change your preferences and to unsubscribe."),
        more=TO_PREFERENCES,
    )


def _unsubscribed_since(pages: Pages) -> Response:
    return pages.say(
        _("You’ve since unsubscribed"),
        _(
            "This link is from before you unsubscribed, so it can’t restart your emails. To get them again,"
            " sign up on the home page."
        ),
        status=410,
    )

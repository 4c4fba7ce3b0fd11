"""The way in: the front page with its one field, the confirmation link, and "mail me my link".

Whatever address somebody types, known or not, the answer is the same; what is true of it, only its inbox learns.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from starlette.background import BackgroundTask

from digest import clock
from digest.database.engine import read_only
from digest.issues import first_issue
from digest.issues.store import newest_issue
from digest.language import _
from digest.ledger.kinds import Status
from digest.papers.store import latest_papers
from digest.subscribers import subscriptions
from digest.subscribers.addresses import BadAddress, normalise, suggestion
from digest.subscribers.preferences import holds_preferences, known_zone, parse_preferences
from digest.subscribers.subscriber import Preferences, Subscriber
from digest.subscribers.subscriptions import RequestOrigin
from digest.subscribers.tokens import CONFIRM_FOR, Purpose, verify
from digest.web.caching import ASKED_AGAIN, same_for_all
from digest.web.cards import card, paper_card
from digest.web.forms import fields_of, fields_typed
from digest.web.site import Posted, Site, TheSite, one

FORM = "web 1"  # what the record of consent calls the form below; a new text gets a new number
CARDS = 10

router = APIRouter()


@router.api_route("/", methods=["GET", "HEAD"])
def front_page(site: TheSite, request: Request) -> Response:
    """One field, and today's papers."""
    with read_only(site.engine) as connection:
        issue = newest_issue(connection)
        papers = [] if issue else latest_papers(connection, CARDS)
    cards = [card(ranked) for ranked in issue.papers[:CARDS]] if issue else [paper_card(paper) for paper in papers]
    page = site.pages.show("front", day=issue.date if issue else None, cards=cards, **_no_error())
    return same_for_all(request, page, cache=ASKED_AGAIN)  # a new issue is seen at once


@router.api_route("/subscribe", methods=["GET", "HEAD"])
def to_the_form(site: TheSite) -> Response:
    """Who comes back to the address of the form's answer, by a bookmark or a reload, finds the form."""
    return RedirectResponse(site.pages.at("/"), 303)


@router.post("/subscribe")
def subscribe(site: TheSite, request: Request, form: Posted) -> Response:
    """Take the address, and say to look for our mail."""
    address = _address(site, form, "subscribe")
    if isinstance(address, Response):
        return address
    zone = known_zone(one(form, "zone"))
    # The honeypot: people do not see the field, programs fill it in.
    if not one(form, "website"):
        asked = RequestOrigin(FORM, site.client_hash(request))
        wishes = Preferences(zone=zone or "UTC", language=site.pages.language.code)
        subscriptions.subscribe(site.engine, address, asked, clock.now(), site.secret, wishes)
    return site.pages.say(
        _("Check your inbox"),
        _("We’ve sent you an email. Use the button in it to confirm your address, and your subscription starts."),
        _(
            "Nothing after a few minutes? Check your spam folder. To protect your inbox, we send at most"
            " one confirmation email a day."
        ),
        after=BackgroundTask(site.hint),
    )


@router.api_route("/confirm/{token}", methods=["GET", "HEAD"])
def confirm_page(site: TheSite, token: str) -> Response:
    """One button. Opening the page changes nothing, since mail scanners open every link."""
    now = clock.now()
    reader = _pending(site, token, now)
    if isinstance(reader, Response):
        return reader
    return site.speaking_to(reader).pages.show("confirm", fields=fields_of(reader.preferences, now), errors={})


@router.post("/confirm/{token}")
def confirm(site: TheSite, request: Request, token: str, form: Posted) -> Response:
    """Confirm, with preferences where the form holds some."""
    now = clock.now()
    reader = _pending(site, token, now, again=bool(one(form, "again")))
    if isinstance(reader, Response):
        return reader
    wishes = (
        parse_preferences(form, now, reader.preferences, site.pages.languages.codes)
        if holds_preferences(form)
        else None
    )
    if isinstance(wishes, dict):
        fields = fields_typed(form, fields_of(reader.preferences, now))
        return site.speaking_to(reader).pages.show("confirm", 400, fields=fields, errors=wishes)
    confirmed = first_issue.confirm(site.engine, reader.id, site.client_hash(request), now, wishes)
    site = site.speaking_to(reader)
    return _confirmed(site, BackgroundTask(site.hint)) if confirmed else _over(site)


@router.api_route("/manage", methods=["GET", "HEAD"])
def manage_page(site: TheSite) -> Response:
    """For who lost the link to their preferences."""
    return site.pages.show("manage", **_no_error())


@router.post("/manage")
def mail_link(site: TheSite, form: Posted) -> Response:
    """Mail the link, if the address is a reader's."""
    address = _address(site, form, "manage")
    if isinstance(address, Response):
        return address
    if not one(form, "website"):
        subscriptions.mail_link(site.engine, address, clock.now(), site.secret)
    return site.pages.say(
        _("Check your inbox"),
        _("If this address is subscribed, its personal link is on its way."),
        _("To protect your inbox, we send this link at most once a day. It’s also at the bottom of every issue."),
        after=BackgroundTask(site.hint),
    )


def _address(site: Site, form: Mapping[str, list[str]], page: str) -> str | Response:
    """The address that was typed, or the page again with what is wrong with it."""
    typed, insisted = one(form, "email"), one(form, "as_typed")
    try:
        address = normalise(insisted or typed)
    except BadAddress as bad:
        return site.pages.show(page, 400, email=typed[:254], error=bad.words, meant="")
    meant = suggestion(address)
    if meant and not insisted:
        return site.pages.show(page, 400, email=address, error="", meant=meant)
    return address


def _no_error() -> dict[str, Any]:
    return {"email": "", "error": "", "meant": ""}


def _pending(site: Site, token: str, now: datetime, again: bool = False) -> Subscriber | Response:
    """The reader who may confirm with this link, or the page that says how things stand."""
    reader = site.reader(Purpose.CONFIRM, token)
    if reader is None:
        return site.pages.say(
            _("This link doesn’t work"),
            _(
                "Your email app may have broken the link, or you may have signed up too long ago. Copy"
                " the whole address from the email, or sign up again on the home page."
            ),
            status=404,
        )
    site = site.speaking_to(reader)
    if reader.status is Status.CONFIRMED:
        return _confirmed(site)
    if reader.status is Status.UNSUBSCRIBED:
        return _over(site)
    if verify(Purpose.CONFIRM, token, site.keys, now, CONFIRM_FOR) is not None:
        return reader
    return _sent_again(site, reader, now) if again else site.pages.show("expired", 410)


def _sent_again(site: Site, reader: Subscriber, now: datetime) -> Response:
    subscriptions.confirm_again(site.engine, reader.id, now)
    return site.pages.say(
        _("Check your inbox"),
        _("A new link is on its way. To protect your inbox, we send at most one a day."),
        after=BackgroundTask(site.hint),
    )


def _confirmed(site: Site, after: BackgroundTask | None = None) -> Response:
    return site.pages.say(
        _("You’re subscribed"),
        _("If there’s a recent issue, it’s on its way. After that, issues arrive at the time set in your preferences."),
        _("Every issue has links to change your preferences and to unsubscribe."),
        after=after,
    )


def _over(site: Site) -> Response:
    return site.pages.say(
        _("You’ve since unsubscribed"),
        _(
            "This link is from before you unsubscribed, so it can’t restart your emails. To get them again,"
            " sign up on the home page."
        ),
        status=410,
    )

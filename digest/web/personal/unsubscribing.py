"""The page behind the link to unsubscribe, which offers fewer emails as well, and the one after it."""

from datetime import date

from fastapi import Response
from fastapi.responses import PlainTextResponse
from starlette.background import BackgroundTask

from digest import clock
from digest.language import _
from digest.ledger.kinds import Status
from digest.subscribers import subscriptions
from digest.subscribers.preferences import Errors, Form, value
from digest.web.pages import Pages
from digest.web.personal import one_click
from digest.web.personal.links import (
    TO_PREFERENCES,
    PersonalLink,
    UnsubscribeLink,
    say_done,
    unsubscribe_link,
    verified,
)
from digest.web.site import PageRouter, PostedAnything, TheSite

# Why somebody leaves: the word in the log of events, and what the page says.
REASONS = {
    "too many": _("Too many emails"),
    "not for me": _("The papers aren’t relevant to me"),
    "elsewhere": _("I find papers elsewhere"),
    "no time": _("I don’t have time at the moment"),
    "other": _("Another reason"),
}
LONGEST_WORDS = 500
BREAK_DAYS = 30
_COME_BACK = _("To come back, open your preferences from any of our emails, or sign up again on the home page.")

router = PageRouter()


@router.page("/u/{token:path}")
def unsubscribe_page(site: TheSite, link: UnsubscribeLink) -> Response:
    """Shows the buttons. Opening the page changes nothing; only its language depends on the subscriber."""
    return (link or site).pages.show("unsubscribe")


@router.post("/u/{token:path}")
def unsubscribe(site: TheSite, token: str, form: PostedAnything) -> Response:
    """RFC 8058 §3.2 one-click, and the page's own buttons; never a redirect or a cookie.

    A signed link of someone whose data is deleted is answered like any other: it gets no further message.
    """
    if one_click.FIELD in form:
        subscriptions.unsubscribe(site.engine, verified(site, token).subscriber_id, clock.now(), one_click.EVENT)
        return PlainTextResponse(site.pages.language.say(one_click.UNSUBSCRIBED))
    link = unsubscribe_link(site, token)
    pages = (link or site).pages
    if value(form, "undo"):
        return _undo(pages, link)
    if value(form, "instead"):
        return _send_fewer(pages, link, value(form, "instead"))
    if value(form, "tell"):
        return _keep_reason(pages, link, form)
    engine, goodbye = site.engine, site.settings.goodbye
    first = link is None or subscriptions.unsubscribe(
        engine, link.subscriber.id, clock.now(), "unsubscribe page", goodbye
    )
    return _show_unsubscribed(pages, first, site.hint_later() if first and goodbye else None)


def _show_unsubscribed(pages: Pages, first: bool, after: BackgroundTask | None = None) -> Response:
    return pages.show("unsubscribed", after=after, first=first, reasons=REASONS, why="", words="", errors={})


def _keep_reason(pages: Pages, link: PersonalLink | None, form: Form) -> Response:
    """Thanks for any token alike, so that the answer reveals nothing about the subscriber."""
    why, words = value(form, "why"), value(form, "words").replace("\r\n", "\n")
    errors: Errors = {}
    if why not in REASONS and (why or not words):
        errors["why"] = _("Choose a reason, or write a few words.")
    if len(words) > LONGEST_WORDS:
        errors["words"] = _("That’s %(count)s characters. The limit is %(most)s.", count=len(words), most=LONGEST_WORDS)
    if errors:
        return pages.show("unsubscribed", 400, first=True, reasons=REASONS, why=why, words=words, errors=errors)
    if link is not None:
        subscriptions.say_why(link.site.engine, link.subscriber.id, why, words, clock.now())
    return pages.say(_("Thanks for telling us"), _("Your answer helps us improve. We won’t send you any more issues."))


def _undo(pages: Pages, link: PersonalLink | None) -> Response:
    if link is not None:
        if _is_subscribed_again(link):
            text = _("Nothing has changed. Your next issue will arrive as usual.")
            return say_done(pages, _("You’re subscribed again"), text)
        if subscriptions.allow_asking(link.site.engine, link.subscriber.id, clock.now()):
            return say_done(
                pages, _("We can email you again"), _("You can sign up on the home page whenever you like.")
            )
    return pages.say(_("It’s too late to undo this here"), _COME_BACK, status=410)


def _is_subscribed_again(link: PersonalLink) -> bool:
    """True for someone who is subscribed, if need be since they have unsubscribed only lately."""
    engine, subscriber = link.site.engine, link.subscriber
    is_subscribed = subscriber.status is Status.CONFIRMED and not subscriptions.why_suppressed(engine, subscriber)
    return is_subscribed or subscriptions.resubscribe(
        engine, subscriber.id, clock.now(), within=subscriptions.UNDO_WITHIN
    )


def _send_fewer(pages: Pages, link: PersonalLink | None, wanted: str) -> Response:
    """Once a week, or a break, in place of unsubscribing or after it."""
    if link is None or wanted not in ("weekly", "pause") or not _is_subscribed_again(link):
        return pages.say(_("Nothing has changed"), _COME_BACK, status=410)
    now, before = clock.now(), link.subscriber.preferences
    preferences = before.once_a_week() if wanted == "weekly" else before.paused_for(BREAK_DAYS, now)
    subscriptions.change_preferences(link.site.engine, link.subscriber.id, preferences, now)
    language = pages.language
    if wanted == "weekly":
        weekday = language.weekday(date(2024, 1, 1 + min(preferences.weekdays)))  # the 1st was a Monday
        text = _("It arrives every %(weekday)s, with the best papers of the week.", weekday=weekday)
        return say_done(pages, _("You’ll get one email a week"), text, more=TO_PREFERENCES)
    assert preferences.paused_until is not None
    until = language.long_date(preferences.paused_until)
    text = _("You’ll get no issues before %(date)s. After that, they arrive as before.", date=until)
    return say_done(pages, _("Your emails are paused"), text, more=TO_PREFERENCES)

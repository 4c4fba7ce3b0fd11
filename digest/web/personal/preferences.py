"""Behind a reader's own links: preferences, a pause, what is stored, and the way out."""

from collections.abc import Mapping
from datetime import datetime

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask

from digest import clock
from digest.issues.personal_data import export
from digest.language import _
from digest.ledger.kinds import Status
from digest.papers.sources import suggestions
from digest.subscribers import subscriptions
from digest.subscribers.preferences import Errors, parse_preferences
from digest.subscribers.subscriber import Subscriber
from digest.subscribers.tokens import Purpose, sign
from digest.web.forms import fields_of, fields_typed
from digest.web.site import Posted, PostedAnything, Site, TheSite, one

# Why somebody leaves: the word in the log of events, and what the page says.
REASONS = {
    "too many": _("Too many emails"),
    "not for me": _("The papers aren’t relevant to me"),
    "elsewhere": _("I find papers elsewhere"),
    "no time": _("I don’t have time at the moment"),
    "other": _("Another reason"),
}
LONGEST_WORDS = 500

router = APIRouter()


@router.api_route("/preferences/{token}", methods=["GET", "HEAD"])
def preferences_page(site: TheSite, token: str) -> Response:
    """What the reader gets, and when."""
    reader = site.reader(Purpose.MANAGE, token)
    return _show(site, reader, clock.now()) if reader else _no_such_link(site)


@router.post("/preferences/{token}")
def change(site: TheSite, token: str, form: Posted) -> Response:
    """Save, or do what the pressed button says."""
    now = clock.now()
    reader = site.reader(Purpose.MANAGE, token)
    if reader is None:
        return _no_such_link(site)
    match one(form, "action"):
        case "unsubscribe":
            subscriptions.unsubscribe(site.engine, reader.id, now, "preferences page", site.settings.goodbye)
            said = _("You’ve unsubscribed. We won’t send you any more issues.")
            return _show(site, site.reader(Purpose.MANAGE, token), now, said=said, after=BackgroundTask(site.hint))
        case "resubscribe":
            subscriptions.resubscribe(site.engine, reader.id, now)
            return _show(site, site.reader(Purpose.MANAGE, token), now, said=_("You’re subscribed again."))
        case "export":
            return _export(site, reader)
        case "erase":
            return _erase(site, reader, form, now)
        case _:
            return _save(site, reader, form, now)


@router.api_route("/u/{token}", methods=["GET", "HEAD"])
def unsubscribe_page(site: TheSite, token: str) -> Response:
    """One button, the same for every token but for the language. Opening the page changes nothing."""
    return site.speaking_to(site.reader(Purpose.UNSUBSCRIBE, token)).pages.show("unsubscribe")


@router.post("/u/{token}")
def unsubscribe(site: TheSite, token: str, form: PostedAnything) -> Response:
    """RFC 8058 §3.2 one-click, and the page's own buttons. Always 200, never a redirect or a cookie.

    A token that nobody has (any more) is answered like any other: there will be no further mail for it.
    """
    reader, now = site.reader(Purpose.UNSUBSCRIBE, token), clock.now()
    site = site.speaking_to(reader)
    if one(form, "undo") and "List-Unsubscribe" not in form:
        return _undo(site, reader, now)
    if one(form, "tell") and "List-Unsubscribe" not in form:
        return _keep_reason(site, reader, form, now)
    by_program = "List-Unsubscribe" in form
    how, goodbye = ("one-click", False) if by_program else ("unsubscribe page", site.settings.goodbye)
    first = reader is None or subscriptions.unsubscribe(site.engine, reader.id, now, how, goodbye)
    return _unsubscribed(site, first, after=BackgroundTask(site.hint) if first and goodbye else None)


def _unsubscribed(
    site: Site,
    first: bool,
    *,
    why: str = "",
    words: str = "",
    errors: Errors | None = None,
    after: BackgroundTask | None = None,
) -> Response:
    return site.pages.show(
        "unsubscribed",
        400 if errors else 200,
        after,
        first=first,
        reasons=REASONS,
        why=why,
        words=words,
        errors=errors or {},
    )


def _keep_reason(site: Site, reader: Subscriber | None, form: Mapping[str, list[str]], now: datetime) -> Response:
    """Whoever asks learns nothing of the reader: every link is thanked alike."""
    why, words = one(form, "why"), one(form, "words").replace("\r\n", "\n")
    errors: Errors = {}
    if why not in REASONS and (why or not words):
        errors["why"] = _("Choose a reason, or write a few words.")
    if len(words) > LONGEST_WORDS:
        errors["words"] = _("That’s %(count)s characters. The limit is %(most)s.", count=len(words), most=LONGEST_WORDS)
    if errors:
        return _unsubscribed(site, first=True, why=why, words=words, errors=errors)
    if reader is not None:
        subscriptions.say_why(site.engine, reader.id, why, words, now)
    return site.pages.say(
        _("Thanks for telling us"), _("Your answer helps us improve. We won’t send you any more issues.")
    )


def _undo(site: Site, reader: Subscriber | None, now: datetime) -> Response:
    if reader is None:
        return _too_late(site)
    if subscriptions.resubscribe(site.engine, reader.id, now, within=subscriptions.UNDO_WITHIN):
        return _undone(site)
    if subscriptions.allow_asking(site.engine, reader.id, now):
        return site.pages.say(_("We can email you again"), _("You can sign up on the home page whenever you like."))
    return _too_late(site)


def _save(site: Site, reader: Subscriber, form: Mapping[str, list[str]], now: datetime) -> Response:
    wishes = parse_preferences(form, now, reader.preferences, site.pages.languages.codes)
    if isinstance(wishes, dict):
        return _show(site, reader, now, form=form, errors=wishes)
    subscriptions.change_preferences(site.engine, reader.id, wishes, now)
    said = _("Saved. Your changes apply from the next issue.")
    return _show(site, subscriptions.find(site.engine, reader.id), now, said=said)


def _show(
    site: Site,
    reader: Subscriber | None,
    now: datetime,
    *,
    said: str = "",
    after: BackgroundTask | None = None,
    form: Mapping[str, list[str]] | None = None,
    errors: Errors | None = None,
) -> Response:
    if reader is None:
        return _no_such_link(site)
    fields = fields_of(reader.preferences, now)
    return site.speaking_to(reader).pages.show(
        "preferences",
        400 if errors else 200,
        after,
        email=reader.email,
        subscribed=reader.status is Status.CONFIRMED,
        may_return=reader.status is Status.UNSUBSCRIBED and reader.consent.confirmed_at is not None,
        feedback_token=sign(Purpose.FEEDBACK, reader.id, now, site.keys),
        suggesting=suggestions.NAME in site.settings.sources,
        fields=fields_typed(form, fields) if form is not None else fields,
        errors=errors or {},
        said=said,
    )


def _export(site: Site, reader: Subscriber) -> Response:
    stored = export(site.engine, reader.id)
    headers = {"Content-Disposition": 'attachment; filename="what-is-stored-about-me.json"'}
    return JSONResponse(stored, headers=headers) if stored is not None else _no_such_link(site)


def _erase(site: Site, reader: Subscriber, form: Mapping[str, list[str]], now: datetime) -> Response:
    if one(form, "sure") != "yes":
        return _show(site, reader, now, errors={"sure": _("Tick the box to confirm. Deleted data can’t be recovered.")})
    subscriptions.erase(site.engine, reader.id, now)
    return site.speaking_to(reader).pages.say(
        _("Your data has been deleted"),
        _("We won’t send you any more emails, and the links in older emails no longer work."),
    )


def _no_such_link(site: Site) -> Response:
    return site.pages.show("lost", 404)


def _undone(site: Site) -> Response:
    return site.pages.say(_("You’re subscribed again"), _("Nothing has changed. Your next issue will arrive as usual."))


def _too_late(site: Site) -> Response:
    return site.pages.say(
        _("It’s too late to undo this here"),
        _("To come back, open your preferences from any of our emails, or sign up again on the home page."),
        status=410,
    )

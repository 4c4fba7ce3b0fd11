"""The page of a subscriber's preferences: a pause, stored data and unsubscribing too."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.background import BackgroundTask

from digest import clock
from digest.database.engine import read_only
from digest.issues import personal_data
from digest.language import _
from digest.ledger.kinds import SkipReason, Status, SuppressionReason
from digest.ledger.received import days_without
from digest.subscribers import links, subscriptions
from digest.subscribers.links import LinkRequest
from digest.subscribers.paper_feedback import has_liked
from digest.subscribers.preferences import Errors, Form, fields_of, fields_typed, parse_preferences, value
from digest.subscribers.tokens import Purpose
from digest.web.personal.forecast import forecast_text
from digest.web.personal.links import ManageLink, PersonalLink
from digest.web.site import PageRouter, Posted

_REVOKED = _("Done. Links in the emails you’ve had so far no longer work, except for unsubscribing.")
_EXPLAINED = timedelta(days=7)  # how long a day without an email is explained

router = PageRouter()


@router.page("/preferences/{token:path}")
def preferences_page(link: ManageLink, revoked: str = "") -> Response:
    """The subscriber's preferences."""
    return _show(link, _REVOKED if revoked else "")


@router.post("/preferences/{token:path}")
def change(link: ManageLink, form: Posted) -> Response:
    """Save, or do what the pressed button says."""
    engine, subscriber_id, now = link.site.engine, link.subscriber.id, clock.now()
    match value(form, "action"):
        case "unsubscribe":
            goodbye = link.site.settings.goodbye
            first = subscriptions.unsubscribe(engine, subscriber_id, now, "preferences page", goodbye)
            notice = _("You’ve unsubscribed. We won’t send you any more issues.")
            return _show(link.reloaded(), notice, after=link.site.hint_later() if first and goodbye else None)
        case "resubscribe":
            return _resubscribe(link)
        case "link":
            return _mail_link(link)
        case "export" | "erase" | "revoke" if not link.is_fresh:
            words = _("Nothing has changed. Go back to your preferences and ask for a new link.")
            return link.pages.say(_("This link has expired"), words, status=403)
        case "export":
            stored = personal_data.export(link.reloaded().site.engine, subscriber_id)
            name = 'attachment; filename="what-is-stored-about-me.json"'
            return JSONResponse(stored, headers={"Content-Disposition": name})
        case "erase":
            return _erase(link, form)
        case "revoke":
            return _revoke(link)
        case _:
            return _save(link, form)


def _resubscribe(link: PersonalLink) -> Response:
    changed, link = subscriptions.resubscribe(link.site.engine, link.subscriber.id, clock.now()), link.reloaded()
    if changed:
        return _show(link, _("You’re subscribed again."))
    reason = subscriptions.why_suppressed(link.site.engine, link.subscriber)
    if reason is SuppressionReason.OPERATOR:
        blocked = _(
            "This address is blocked, so nothing has changed. Write to us to unblock it: %(contact)s",
            contact=link.site.contact,
        )
        return _show(link, blocked)
    if link.subscriber.status is Status.CONFIRMED and reason is None:
        return _show(link, _("You’re already subscribed, so nothing has changed."))
    return _show(link, _("This address has to be confirmed first, so nothing has changed. Sign up on the home page."))


def _save(link: PersonalLink, form: Form) -> Response:
    now, before = clock.now(), link.subscriber.preferences
    with read_only(link.site.engine) as connection:
        likes = has_liked(connection, link.subscriber.id)
    preferences = parse_preferences(form, now, before, link.pages.languages.codes, likes)
    if isinstance(preferences, dict):
        return _show(link, fields=fields_typed(form, fields_of(before, now)), errors=preferences)
    subscriptions.change_preferences(link.site.engine, link.subscriber.id, preferences, now)
    return _show(link.reloaded(), _("Saved. Your changes apply from the next issue."))


def _mail_link(link: PersonalLink) -> Response:
    contact = link.site.contact
    match links.mail_fresh_link(link.site.engine, link.subscriber.id, clock.now()):
        case LinkRequest.QUEUED:
            notice = _("We’re emailing you a link. For 24 hours, you can use it to download or delete your data.")
            return _show(link, notice, after=link.site.hint_later())
        case LinkRequest.REPEATED:
            notice = _(
                "We’ve already emailed you a link in the last 24 hours. If it hasn’t arrived, write to us: %(contact)s",
                contact=contact,
            )
        case LinkRequest.SUPPRESSED:
            notice = _("We can’t email this address, so please write to us: %(contact)s", contact=contact)
    return _show(link, notice)


def _revoke(link: PersonalLink) -> Response:
    """Go on with a link that works, for as long as the one that was used would have."""
    links.revoke_links(link.site.engine, link.subscriber.id, clock.now())
    token = link.reloaded().sign(Purpose.FRESH, link.token.issued)
    return RedirectResponse(link.pages.at(f"/preferences/{token}?revoked=yes"), 303)


def _erase(link: PersonalLink, form: Form) -> Response:
    if value(form, "sure") != "yes":
        return _show(link, errors={"sure": _("Tick the box to confirm. Deleted data can’t be recovered.")})
    subscriptions.erase(link.site.engine, link.subscriber.id, clock.now())
    return link.pages.say(
        _("Your data has been deleted"),
        _("We won’t send you any more emails, and the links in older emails no longer work."),
    )


def _show(
    link: PersonalLink,
    notice: str = "",
    fields: Mapping[str, Any] | None = None,
    errors: Errors | None = None,
    after: BackgroundTask | None = None,
) -> Response:
    subscriber, now = link.subscriber, clock.now()
    with read_only(link.site.engine) as connection:
        since = now.date() - _EXPLAINED
        withheld, unmatched = [
            days_without(connection, subscriber.key, since, reason)
            for reason in (SkipReason.TOO_FEW, SkipReason.NOTHING_FOLLOWED)
        ]
    return link.show(
        "preferences",
        400 if errors else 200,
        after,
        email=link.address,
        subscribed=subscriber.status is Status.CONFIRMED,
        may_return=subscriber.status is Status.UNSUBSCRIBED and subscriber.consent.confirmed_at is not None,
        is_fresh=link.is_fresh,
        feed_token=link.sign(Purpose.FEED, link.token.issued) if link.is_fresh else "",
        list_token=link.sign(Purpose.LIST, link.token.issued) if link.is_fresh else "",
        feedback_token=link.sign(Purpose.FEEDBACK, now),
        suggesting=link.site.takes_suggestions,
        fields=fields or fields_of(subscriber.preferences, now),
        errors=errors or {},
        notice=notice,
        withheld=withheld,
        unmatched=unmatched,
        forecast=forecast_text(link, subscriber.preferences, now),
    )

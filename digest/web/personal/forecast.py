"""Counts the papers that "only what I follow" would have brought lately, while the form of preferences is filled in."""

from datetime import datetime

from fastapi import Response
from fastapi.responses import JSONResponse

from digest import clock
from digest.language import Message, n_
from digest.subscribers.admission import TooMany
from digest.subscribers.preferences import parse_preferences
from digest.subscribers.subscriber import Preferences
from digest.web.personal.links import ManageLink, PersonalLink
from digest.web.site import PageRouter, Posted

router = PageRouter()


# Not among the forms, which wait for each other because they write. This only reads.
@router.api_route("/preferences/{token}/forecast", methods=["POST"])
def forecast(link: ManageLink, form: Posted) -> Response:
    """Count for the form's current values; fields that cannot be used yet count as they are stored."""
    try:
        link.site.admission.take_forecast(link.subscriber.id)
    except TooMany as problem:
        return JSONResponse({"text": ""}, 429, {"Retry-After": str(int(problem.seconds) + 1)})
    now, before, codes = clock.now(), link.subscriber.preferences, link.pages.languages.codes
    typed = parse_preferences(form, now, before, codes, has_liked=True)
    if isinstance(typed, dict):
        usable = {"topics": list(before.topics), **{name: form[name] for name in form if name not in typed}}
        typed = parse_preferences(usable, now, before, codes, has_liked=True)
    text = forecast_text(link, before if isinstance(typed, dict) else typed, now)
    return JSONResponse({"text": text})


def forecast_text(link: PersonalLink, preferences: Preferences, now: datetime) -> str:
    """Say it in the language of the pages; "" before there are papers."""
    counted = link.site.recent.forecast(link.subscriber.id, preferences, now)
    if not counted.days:
        return ""
    days, papers = counted.days, n_("%(num)s paper", "%(num)s papers", num=counted.papers)
    text: Message = n_(
        "With “Only what I follow”, you’d have had %(papers)s in %(emails)s over the last day.",
        "With “Only what I follow”, you’d have had %(papers)s in %(emails)s over the last %(num)s days.",
        num=days,
        papers=papers,
        emails=n_("%(num)s email", "%(num)s emails", num=counted.emails),
    )
    if not counted.papers:
        text = n_(
            "With “Only what I follow”, no paper would have come over the last day.",
            "With “Only what I follow”, no paper would have come over the last %(num)s days.",
            num=days,
        )
    return link.pages.language.say(text)

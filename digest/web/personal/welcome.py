"""The page after confirming: the first papers, and topics to choose them by."""

from typing import Any

from fastapi import Response
from fastapi.responses import RedirectResponse

from digest import clock
from digest.database.engine import read_only
from digest.issues.archive import part_of_issue
from digest.issues.first_issue import first_papers
from digest.ledger.kinds import Status
from digest.subscribers import subscriptions
from digest.subscribers.preferences import fields_of, fields_typed, parse_preferences
from digest.web.cards import PaperCard, card, own_card
from digest.web.personal.links import ManageLink, PersonalLink
from digest.web.site import PageRouter, Posted

_PAPERS = 5  # on the page; the email has more

router = PageRouter()


@router.page("/my/{token}/welcome")
def welcome_page(link: ManageLink) -> Response:
    """The papers of the first issue, and the topics."""
    if link.subscriber.status is not Status.CONFIRMED:
        return RedirectResponse(link.pages.at(f"/preferences/{link.text}"), 303)
    return _show(link)


@router.post("/my/{token}/welcome")
def choose_topics(link: ManageLink, form: Posted) -> Response:
    """Save the topics, and show the papers that they choose from the same issue."""
    now, before = clock.now(), link.subscriber.preferences
    preferences = parse_preferences({"topics": form.get("topics", [])}, now, before)
    if isinstance(preferences, dict):
        fields = fields_typed(form, fields_of(before, now))
        return _show(link, 400, fields=fields, errors=preferences)
    subscriptions.change_preferences(link.site.engine, link.subscriber.id, preferences, now)
    return _show(link.reloaded(), is_saved=True)


def _show(link: PersonalLink, status: int = 200, is_saved: bool = False, **typed: Any) -> Response:
    subscriber, now = link.subscriber, clock.now()
    chosen = first_papers(link.site.engine, subscriber, now, link.pages.languages)
    first = list(enumerate(chosen[:_PAPERS], start=1))
    fields: dict[str, Any] = {"fields": fields_of(subscriber.preferences, now), "errors": {}} | typed
    return link.show(
        "welcome",
        status,
        is_saved=is_saved,
        is_on_its_way=bool(chosen),
        cards=[own_card(ranked, position, place) for position, (ranked, _why, place) in first] or _best(link),
        why={position: why for position, (_ranked, why, _place) in first},
        hour=f"{subscriber.preferences.hour:02}:00",
        zone=subscriber.preferences.zone.replace("_", " "),
        **fields,
    )


def _best(link: PersonalLink) -> list[PaperCard]:
    """The first papers of the newest issue, for somebody who gets none of it."""
    with read_only(link.site.engine) as connection:
        part = part_of_issue(connection, range(1, _PAPERS + 1))
    return [card(listed) for listed in part.papers] if part else []

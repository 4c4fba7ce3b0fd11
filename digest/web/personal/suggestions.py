"""Subscribers suggest papers and vote for them through their own links."""

from typing import Annotated

from fastapi import Depends, HTTPException, Response

from digest import clock
from digest.language import UserError, _
from digest.papers.suggestion import refusal
from digest.subscribers import community
from digest.subscribers.preferences import value
from digest.web.cards import paper_card
from digest.web.personal.links import PersonalLink, feedback_link
from digest.web.site import PageRouter, Posted, TheSite

router = PageRouter()


def _suggesting_link(site: TheSite, token: str) -> PersonalLink:
    if not site.takes_suggestions:
        raise HTTPException(404, _("We don’t take suggestions here. This digest only lists papers from its sources."))
    return feedback_link(site, token)


SuggestingLink = Annotated[PersonalLink, Depends(_suggesting_link)]


@router.page("/suggest/{token}")
def suggest_page(link: SuggestingLink) -> Response:
    """One field, what became of the subscriber's own suggestions, and what others suggested."""
    return _show(link)


@router.post("/suggest/{token}")
def suggest(link: SuggestingLink, form: Posted) -> Response:
    """Take a suggestion or a vote, or a vote back."""
    engine, subscriber_id, now = link.site.engine, link.subscriber.id, clock.now()
    typed = value(form, "paper")
    try:
        if "vote" in form:
            community.vote(engine, subscriber_id, value(form, "vote"), now)
            notice = _("Your vote has been counted.")
        elif "unvote" in form:
            community.take_vote_back(engine, subscriber_id, value(form, "unvote"))
            notice = _("Your vote has been removed.")
        else:
            notice = community.suggest(engine, subscriber_id, typed, now, link.site.settings.pool_days)
    except UserError as problem:
        return _show(link, typed=typed, error=problem.words)
    return _show(link, notice=notice)


def _show(link: PersonalLink, *, typed: str = "", notice: str = "", error: str = "") -> Response:
    board = community.board(link.site.engine, link.subscriber, clock.now())
    return link.show(
        "suggest",
        400 if error else 200,
        board=board,
        cards={paper_id: paper_card(paper) for paper_id, paper in board.papers.items()},
        refusal=refusal,
        typed=typed[:300],
        notice=notice,
        error=error,
    )

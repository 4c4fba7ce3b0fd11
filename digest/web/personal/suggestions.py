"""Where readers suggest papers and vote for them, by their own link and without an account."""

from fastapi import APIRouter, HTTPException, Response

from digest import clock
from digest.language import _
from digest.papers.sources import suggestions
from digest.papers.suggestion import refusal
from digest.subscribers import community
from digest.subscribers.community import NotTaken
from digest.subscribers.subscriber import Subscriber
from digest.web.cards import paper_card
from digest.web.personal.feedback import reader_of
from digest.web.site import Posted, Site, TheSite, one

router = APIRouter()


@router.api_route("/suggest/{token}", methods=["GET", "HEAD"])
def suggest_page(site: TheSite, token: str) -> Response:
    """One field, what became of the reader's own suggestions, and what others suggested."""
    reader = _reader(site, token)
    return reader if isinstance(reader, Response) else _show(site, token, reader)


@router.post("/suggest/{token}")
def suggest(site: TheSite, token: str, form: Posted) -> Response:
    """Take a suggestion or a vote, or a vote back."""
    reader = _reader(site, token)
    if isinstance(reader, Response):
        return reader
    typed, now = one(form, "paper"), clock.now()
    try:
        if "vote" in form:
            community.vote(site.engine, reader.id, one(form, "vote"), now)
            told = _("Your vote has been counted.")
        elif "unvote" in form:
            community.take_vote_back(site.engine, reader.id, one(form, "unvote"))
            told = _("Your vote has been removed.")
        else:
            told = community.suggest(site.engine, reader.id, typed, now, site.settings.pool_days)
    except NotTaken as problem:
        return _show(site, token, reader, typed=typed, error=problem.words)
    return _show(site, token, reader, told=told)


def _reader(site: Site, token: str) -> Subscriber | Response:
    if suggestions.NAME not in site.settings.sources:
        raise HTTPException(404, _("We don’t take suggestions here. This digest only lists papers from its sources."))
    return reader_of(site, token)


def _show(site: Site, token: str, reader: Subscriber, *, typed: str = "", told: str = "", error: str = "") -> Response:
    board = community.board(site.engine, reader, clock.now())
    return site.speaking_to(reader).pages.show(
        "suggest",
        400 if error else 200,
        board=board,
        cards={paper_id: paper_card(paper) for paper_id, paper in board.papers.items()},
        refusal=refusal,
        typed=typed[:300],
        told=told,
        error=error,
        token=token,
    )

"""Past issues and single papers, open to everybody."""

from datetime import date

from fastapi import APIRouter, HTTPException, Request, Response

from digest.store.archive import latest_place
from digest.store.database import reading
from digest.store.issues import issue_dates, issue_on
from digest.store.papers import paper as paper_with_id
from digest.web.cards import authors, card, links, paper_card
from digest.web.site import TheSite

PER_PAGE = 20
DATES = 366

router = APIRouter()


@router.api_route("/issues", methods=["GET", "HEAD"])
def issues_page(site: TheSite) -> Response:
    """The dates of issues, newest first."""
    with reading(site.engine) as connection:
        days = issue_dates(connection, DATES)
    return site.pages.show("issues", days=days)


@router.api_route("/issues/{day}", methods=["GET", "HEAD"])
def issue_page(site: TheSite, request: Request, day: str) -> Response:
    """The ranked papers of one date, as they were frozen at the cut."""
    with reading(site.engine) as connection:
        issue = issue_on(connection, "daily", _date(day))
    if issue is None:
        raise HTTPException(404, "There is no issue of this date. The page of all issues shows which there are.")
    page, pages = _page(request), max(1, -(-len(issue.papers) // PER_PAGE))
    if page > pages:
        raise HTTPException(404, "This issue has fewer pages.")
    cards = [card(ranked) for ranked in issue.papers[(page - 1) * PER_PAGE : page * PER_PAGE]]
    return site.pages.show("issue", issue=issue, cards=cards, page=page, pages=pages)


@router.api_route("/papers/{paper_id:path}", methods=["GET", "HEAD"])
def paper_page(site: TheSite, paper_id: str) -> Response:
    """One paper, and the numbers behind its place."""
    if len(paper_id) > 80 or not paper_id.isprintable():
        raise HTTPException(404)
    with reading(site.engine) as connection:
        known = paper_with_id(connection, paper_id)
        place = latest_place(connection, paper_id)
    if known is None:
        raise HTTPException(404, "This paper is not in our archive.")
    paper = known.paper
    return site.pages.show(
        "paper", paper=paper, card=paper_card(paper), authors=authors(paper, 40), links=links(paper), place=place
    )


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # fromisoformat also takes 20261123 and 2026-W48-1
        raise HTTPException(404, "This is not a date. It looks like 2026-11-23.")
    return day


def _page(request: Request) -> int:
    text = request.query_params.get("page", "1")
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 5 and int(text) > 0):
        raise HTTPException(404, "This issue has no such page.")
    return int(text)

"""Past issues and single papers, open to everybody."""

from datetime import date

from fastapi import APIRouter, HTTPException, Request, Response

from digest.database.engine import read_only
from digest.issues.archive import days_in, latest_place, months_of_issues
from digest.issues.store import issue_on
from digest.language import _
from digest.ledger.kinds import IssueKind
from digest.papers.paper import arxiv_page
from digest.papers.search import papers_like
from digest.papers.store import paper as paper_with_id
from digest.web.caching import same_for_all
from digest.web.cards import authors, card, links, paper_card
from digest.web.paging import page_asked, pages_of
from digest.web.public.score_labels import standing_of
from digest.web.public.structured import article, collection
from digest.web.public.votes_chart import plot_of
from digest.web.site import Site, TheSite

PER_PAGE = 10
LIKE = 4

router = APIRouter()


@router.api_route("/issues", methods=["GET", "HEAD"])
def issues_page(site: TheSite, request: Request) -> Response:
    """The issues of one month, the newest when none is named, and the way to all others."""
    with read_only(site.engine) as connection:
        months = months_of_issues(connection)
        month = _month(request.query_params.get("month", ""), months)
        days = days_in(connection, month) if month else []
    years = {year: [one for one in months if one.year == year] for year in dict.fromkeys(one.year for one in months)}
    canonical = f"{site.settings.public_url}/issues"
    return same_for_all(
        request, site.pages.show("issues", days=days, month=month, months=months, years=years, canonical=canonical)
    )


@router.api_route("/issues/{day}", methods=["GET", "HEAD"])
@router.api_route("/issues/{day}/{kind}", methods=["GET", "HEAD"])
def issue_page(site: TheSite, request: Request, day: str, kind: str = IssueKind.DAILY) -> Response:
    """The ranked papers of one date, as they were frozen at the cut; `kind` for what is not the day's own issue."""
    with read_only(site.engine) as connection:
        issue = issue_on(connection, kind, date_asked(day))
    if issue is None:
        raise HTTPException(404, _("There’s no issue for this date. The past issues page lists the ones we have."))
    page = page_asked(request)
    pages = pages_of(len(issue.papers), PER_PAGE, page)
    shown = issue.papers[(page - 1) * PER_PAGE : page * PER_PAGE]
    public_url = site.settings.public_url
    canonical = public_url + issue.path
    listed = [(ranked, public_url + ranked.paper.path) for ranked in shown]
    answer = site.pages.show(
        "issue",
        issue=issue,
        cards=[card(ranked) for ranked in shown],
        page=page,
        pages=pages,
        canonical=canonical,
        structured=collection(issue.date, listed, canonical, site.settings.title),
    )
    return same_for_all(request, answer)


@router.api_route("/papers/{paper_id:path}", methods=["GET", "HEAD"])
def paper_page(site: TheSite, request: Request, paper_id: str) -> Response:
    """One paper, its votes over time, the numbers behind its place, and what is like it."""
    if len(paper_id) > 80 or not paper_id.isprintable():
        raise HTTPException(404)
    with read_only(site.engine) as connection:
        known = paper_with_id(connection, paper_id)
        place = latest_place(connection, paper_id)
        like = papers_like(connection, known.paper, LIKE) if known else []
    if known is None:
        return _unknown(site, paper_id)
    paper = known.paper
    canonical = site.settings.public_url + paper.path
    answer = site.pages.show(
        "paper",
        paper=paper,
        card=paper_card(paper),
        authors=authors(paper, 40),
        links=links(paper),
        place=place,
        standing=standing_of(place.terms) if place else None,
        plot=plot_of(known.votes),
        like=[paper_card(one) for one in like],
        canonical=canonical,
        structured=article(paper, canonical),
    )
    return same_for_all(request, answer)


def _unknown(site: Site, paper_id: str) -> Response:
    """Where a paper that is not here may be found."""
    return site.pages.show("unknown_paper", 404, paper_id=paper_id, arxiv=arxiv_page(paper_id))


def _month(text: str, months: list[date]) -> date | None:
    """The month `2026-11`, or the newest. Raises HTTPException 404 for one without issues."""
    if not text:
        return months[0] if months else None
    for month in months:
        if text == f"{month:%Y-%m}":
            return month
    raise HTTPException(404, _("There’s no issue for this month. The past issues page lists the ones we have."))


def date_asked(text: str) -> date:
    """The date of an address. Raises HTTPException 404 for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # fromisoformat also takes 20261123 and 2026-W48-1
        raise HTTPException(404, _("That isn’t a date. Dates look like 2026-11-23."))
    return day

"""Past issues and single papers, open to everybody, with schema.org as JSON-LD.

The CSP allows such a data block, since it is not a script.
"""

import re
from collections.abc import Sequence
from datetime import date
from itertools import groupby
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse

from digest.database.engine import read_singly
from digest.issues.archive import ListedPaper, days_in, paper_and_place, part_of_issue
from digest.issues.figures import months_of_issues
from digest.language import _
from digest.ledger.kinds import IssueKind
from digest.papers.citations import MEDIA_TYPES, author_tags, citations, doi_of, published
from digest.papers.paper import Paper, arxiv_id, arxiv_page, canonical_address, paper_id_of
from digest.papers.search import stored_similar_papers
from digest.papers.store import paper as paper_with_id
from digest.papers.store import votes_of
from digest.papers.topics import topics_of
from digest.settings import Settings
from digest.text import language_of, one_line, parse_date
from digest.web.cards import authors, card, links, paper_card, share_links
from digest.web.public import link_pictures
from digest.web.public.score_labels import score_labels
from digest.web.public.votes_chart import votes_chart
from digest.web.site import REVALIDATED, PageNumber, PageRouter, Site, TheSite, pages_of, same_for_all

PER_PAGE = 10
SIMILAR = 4
_MOST_CITED = 100  # papers in the file of an issue
_MOST_AUTHORS = 20
_MOST_TOPICS = 5
_SCHEMA = "https://schema.org"

router = PageRouter()
router.include_router(link_pictures.router)  # first, since a paper may have any address


@router.page("/issues")
def issues_page(site: TheSite, request: Request) -> Response:
    """The issues of one month, the newest when none is named, and the way to all others."""
    return same_for_all(request, _months(site, request))


def _months(site: Site, request: Request, for_week: bool = False) -> Response:
    with read_singly(site.engine) as connection:
        months = months_of_issues(connection)
        month = _month(request.query_params.get("month", ""), months)
        days = days_in(connection, month) if month else []
    years = {year: list(of_year) for year, of_year in groupby(months, key=lambda month: month.year)}
    canonical = f"{site.settings.public_url}/issues"
    return site.pages.show(
        "issues", days=days, month=month, months=months, years=years, canonical=canonical, for_week=for_week
    )


@router.page("/latest")
def latest_issue(site: TheSite) -> Response:
    """On to the newest issue, else to the front page."""
    return _on_to_newest(site, IssueKind.DAILY) or _redirect(site, "/")


@router.page("/week")
def this_week(site: TheSite, request: Request) -> Response:
    """On to the newest weekly issue; before the first, the daily issues, and why."""
    if newest := _on_to_newest(site, IssueKind.WEEKLY):
        return newest
    return same_for_all(request, _months(site, request, for_week=True), cache=REVALIDATED)


def _on_to_newest(site: Site, kind: str) -> Response | None:
    with read_singly(site.engine) as connection:
        part = part_of_issue(connection, range(1), kind=kind)
    return _redirect(site, part.issue.path) if part else None


def _redirect(site: Site, path: str) -> Response:
    return RedirectResponse(site.pages.at(path), 302, {"Cache-Control": "no-cache"})


@router.page("/issues/{day}")
@router.page("/issues/{day}/{kind}")
def issue_page(
    site: TheSite, request: Request, day: str, kind: str = IssueKind.DAILY, page: PageNumber = 1
) -> Response:
    """The ranked papers of one date, as they were frozen at the cut; `kind` for what is not the day's own issue."""
    (day, of_day), (kind, of_kind) = _file_name(day), _file_name(kind)
    file_type = of_kind or of_day
    ranks = range(1, _MOST_CITED + 1) if file_type else range((page - 1) * PER_PAGE + 1, page * PER_PAGE + 1)
    with read_singly(site.engine) as connection:
        part = part_of_issue(connection, ranks, issue_date(day), kind)
    if part is None:
        raise HTTPException(404, _("There’s no issue for this date. The past issues page lists the ones we have."))
    if part.issue.withdrawn_at is not None:
        raise HTTPException(410, _("We’ve withdrawn this issue. You can still search for its papers."))
    if file_type:
        return _cited(request, [listed.paper for listed in part.papers], file_type)
    issue, pages = part.issue, pages_of(part.total, PER_PAGE, page)
    canonical = site.settings.public_url + issue.path
    answer = site.pages.show(
        "issue",
        issue=issue,
        num=part.total,
        voted=part.has_votes,
        cards=[card(listed, kind) for listed in part.papers],
        earlier=part.before,
        later=part.after,
        page=page,
        pages=pages,
        canonical=canonical,
        og_image=f"{canonical}/card.png",
        structured=_collection(issue.date, part.papers, canonical, site.settings),
    )
    return same_for_all(request, answer)


@router.page("/papers/{paper_id:path}")
def paper_page(site: TheSite, request: Request, paper_id: str) -> Response:
    """One paper, its votes over time, the numbers behind its rank, and similar papers."""
    name, file_type = _file_name(paper_id)
    if file_type:
        return _paper_file(site, request, name, file_type)
    address = f"{paper_id}?{request.url.query}" if request.url.query else paper_id
    named = arxiv_id(paper_id) or (paper_id_of(address) if canonical_address(address) else None)
    with read_singly(site.engine) as connection:
        if named and named != paper_id and (arxiv_id(named) or paper_with_id(connection, named)):
            return RedirectResponse(site.pages.at(f"/papers/{named}"), 308)
        if len(paper_id) > 80 or not paper_id.isprintable():
            raise HTTPException(404)
        details = paper_and_place(connection, paper_id)
        votes = votes_of(connection, paper_id) if details else ()
        similar = stored_similar_papers(connection, paper_id, SIMILAR) if details else []
    if details is None:
        return site.pages.show("unknown_paper", 404, paper_id=paper_id, arxiv=arxiv_page(paper_id))
    paper, rank = details
    canonical = site.settings.public_url + paper.path
    answer = site.pages.show(
        "paper",
        paper=paper,
        card=paper_card(paper),
        authors=authors(paper, 40),
        links=links(paper, votes),
        topics=topics_of(paper)[:_MOST_TOPICS],
        share=share_links(one_line(paper.title), canonical),
        rank=rank,
        labels=score_labels(rank.terms) if rank else None,
        chart=votes_chart(votes),
        similar=[paper_card(other, excerpt="") for other in similar],
        canonical=canonical,
        og_image=f"{canonical}/card.png",
        author_tags=author_tags(paper.authors),
        language_of_paper=language_of(paper.abstract or paper.title),
        doi=doi_of(paper),
        published=published(paper),
        structured=_article(paper, canonical),
    )
    return same_for_all(request, answer)


def _file_name(text: str) -> tuple[str, str]:
    """`2511.00001.bib` → its name and its type, which is "" for what names no file to cite from."""
    name, dot, suffix = text.rpartition(".")
    return (name, suffix) if dot and suffix in MEDIA_TYPES else (text, "")


def _paper_file(site: Site, request: Request, paper_id: str, kind: str) -> Response:
    with read_singly(site.engine) as connection:
        details = paper_and_place(connection, paper_id)
    if details is None:
        raise HTTPException(404)
    return _cited(request, [details[0]], kind)


def _cited(request: Request, cited: list[Paper], kind: str) -> Response:
    """A file that reference managers open."""
    name = re.sub(r"[^\w.-]+", "-", request.url.path.rpartition("/")[2], flags=re.ASCII)
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return same_for_all(
        request, Response(citations(cited, kind), 200, disposition, f"{MEDIA_TYPES[kind]}; charset=utf-8")
    )


def _month(text: str, months: list[date]) -> date | None:
    """The month `2026-11`, or the newest. Raises HTTPException 404 for one without issues."""
    if not text:
        return months[0] if months else None
    by_name = {f"{month:%Y-%m}": month for month in months}
    if text not in by_name:
        raise HTTPException(404, _("There’s no issue for this month. The past issues page lists the ones we have."))
    return by_name[text]


def issue_date(text: str) -> date:
    """The date in an address. Raises HTTPException 404 for anything else."""
    day = parse_date(text)
    if day is None:
        raise HTTPException(404, _("That isn’t a date. Dates look like 2026-11-23."))
    return day


def _article(paper: Paper, address: str) -> dict[str, Any]:
    """One paper, as https://schema.org/ScholarlyArticle."""
    facts: dict[str, Any] = {
        "@context": _SCHEMA,
        "@type": "ScholarlyArticle",
        "name": one_line(paper.title),
        "url": address,
        "author": [{"@type": "Person", "name": one_line(name)} for name in paper.authors[:_MOST_AUTHORS]],
        "abstract": one_line(paper.abstract or paper.summary),
        "datePublished": paper.published_at.date().isoformat() if paper.published_at else "",
        "sameAs": paper.url if paper.url.startswith("https://") else "",
    }
    return {name: value for name, value in facts.items() if value}


def _collection(day: date, shown: Sequence[ListedPaper], address: str, settings: Settings) -> dict[str, Any]:
    """One issue, as https://schema.org/CollectionPage."""
    items = [
        {"@type": "ListItem", "position": listed.rank, "url": settings.public_url + listed.paper.path}
        for listed in shown
    ]
    return {
        "@context": _SCHEMA,
        "@type": "CollectionPage",
        "name": f"{settings.title}, {day.isoformat()}",
        "url": address,
        "datePublished": day.isoformat(),
        "mainEntity": {"@type": "ItemList", "itemListElement": items},
    }

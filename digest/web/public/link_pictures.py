"""The pictures of papers and issues for sites that show a link to their pages. Like feeds, they are in English."""

from collections.abc import AsyncIterator

from anyio import Semaphore
from fastapi import Depends, HTTPException, Request, Response

from digest.database.engine import read_singly
from digest.issues.archive import paper_and_place, part_of_issue
from digest.language import SOURCE
from digest.ledger.kinds import IssueKind
from digest.text import one_line, parse_date
from digest.web.public.card_image import card_image
from digest.web.site import PageRouter, Site, TheSite, same_for_all, turn_among

_AT_ONCE = 2  # of a process: drawing takes longer than a page
_turns = Semaphore(_AT_ONCE)

router = PageRouter()


async def _turn() -> AsyncIterator[None]:
    async with turn_among(_turns):
        yield


_IN_TURN = [Depends(_turn, scope="function")]


@router.page("/papers/{paper_id:path}/card.png", dependencies=_IN_TURN)
def paper_picture(site: TheSite, request: Request, paper_id: str) -> Response:
    """A paper's title, and its rank in an issue or its date."""
    if len(paper_id) > 80 or not paper_id.isprintable():
        raise HTTPException(404)
    with read_singly(site.engine) as connection:
        details = paper_and_place(connection, paper_id)
    if details is None:
        raise HTTPException(404)
    paper, rank = details
    at = paper.listed_at or paper.published_at
    line = site.pages.languages.get(SOURCE).day_of(at.date()) if at else ""
    if rank and rank.terms.has_votes and not rank.terms.is_pinned:
        day = site.pages.languages.get(SOURCE).day_of(rank.day)
        line = f"No. {rank.rank} of {rank.of}, {day}"
    return _picture(site, request, one_line(paper.title), line)


@router.page("/issues/{day}/card.png", dependencies=_IN_TURN)
@router.page("/issues/{day}/{kind}/card.png", dependencies=_IN_TURN)
def issue_picture(site: TheSite, request: Request, day: str, kind: str = IssueKind.DAILY) -> Response:
    """The date of an issue, and how many papers it has."""
    date = parse_date(day)
    if date is None:
        raise HTTPException(404)
    with read_singly(site.engine) as connection:
        part = part_of_issue(connection, range(1, 2), date, kind)
    if part is None or part.issue.withdrawn_at is not None:
        raise HTTPException(404 if part is None else 410)
    title = site.pages.languages.get(SOURCE).long_date(part.issue.date)
    return _picture(site, request, title, f"{part.total} paper{'s' * (part.total != 1)}")


def _picture(site: Site, request: Request, title: str, line: str) -> Response:
    return same_for_all(request, Response(card_image(site.settings.title, title, line), media_type="image/png"))

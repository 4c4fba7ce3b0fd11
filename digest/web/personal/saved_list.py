"""The papers that a subscriber saved for later, behind a link for nothing else."""

from fastapi import HTTPException, Response

from digest.database.engine import read_only
from digest.language import _
from digest.papers.citations import MEDIA_TYPES, citations
from digest.papers.store import papers_with
from digest.subscribers.library import saved
from digest.subscribers.preferences import value
from digest.subscribers.tokens import Purpose
from digest.web.cards import paper_card
from digest.web.personal.links import ListLink, PersonalLink
from digest.web.site import PageNumber, PageRouter, Posted, pages_of

_PER_PAGE = 100

router = PageRouter()


@router.page("/list/{token}")
def saved_list(link: ListLink, page: PageNumber = 1) -> Response:
    """The saved papers, the last one first."""
    return _show(link, page)


@router.post("/list/{token}")
def change_saved_list(link: ListLink, form: Posted) -> Response:
    """Remove one paper."""
    gone = saved.unsave(link.site.engine, link.subscriber.id, value(form, "remove"))
    return _show(link, notice=_("Removed.") if gone else _("There’s nothing to remove."))


@router.page("/list/{token}/saved.{kind}")
def saved_file(link: ListLink, kind: str) -> Response:
    """The saved papers that are still in the archive, as a file for reference managers."""
    if kind not in MEDIA_TYPES:
        raise HTTPException(404)
    with read_only(link.site.engine) as connection:
        ids = [entry.paper_id for entry in saved.saved_by(connection, link.subscriber.id)]
        papers = papers_with(connection, ids)
    disposition = {"Content-Disposition": f'attachment; filename="saved.{kind}"'}
    kept = (papers[paper_id] for paper_id in ids if paper_id in papers)
    return Response(citations(kept, kind), 200, disposition, f"{MEDIA_TYPES[kind]}; charset=utf-8")


def _show(link: PersonalLink, page: int = 1, notice: str = "") -> Response:
    with read_only(link.site.engine) as connection:
        entries = saved.saved_by(connection, link.subscriber.id)
        pages = pages_of(len(entries), _PER_PAGE, page)
        shown = entries[(page - 1) * _PER_PAGE : page * _PER_PAGE]
        papers = papers_with(connection, [entry.paper_id for entry in shown])
    return link.show(
        "saved_list",
        entries=shown,
        cards={paper_id: paper_card(paper) for paper_id, paper in papers.items()},
        page=page,
        pages=pages,
        feed_token=link.sign(Purpose.FEED, link.token.issued),
        notice=notice,
    )

"""Papers → what the pages show of them."""

from dataclasses import dataclass, replace
from datetime import date

from digest.issues.archive import ListedPaper
from digest.language import Message, _, and_more
from digest.papers.paper import Paper
from digest.text import cut, one_line

EXCERPT = 280
UNTITLED = _("Untitled")


@dataclass(frozen=True, slots=True)
class PaperCard:
    """One paper in a list."""

    path: str  # of the paper's page
    title: str
    excerpt: str
    by: str  # its organisation, else its first authors
    day: date | None
    rank: int = 0  # 0 for none
    votes: int = 0
    is_pinned: bool = False  # an editor chose it


def card(listed: ListedPaper) -> PaperCard:
    """A paper with its rank in an issue; what an editor chose or nobody voted on has none."""
    rank = listed.score_rank if listed.has_votes and not listed.is_pinned else 0
    return replace(paper_card(listed.paper, rank, listed.votes), is_pinned=listed.is_pinned)


def paper_card(paper: Paper, rank: int = 0, votes: int = 0, excerpt: str | None = None) -> PaperCard:
    """A paper in a list, with its gist unless there is another excerpt."""
    at = paper.listed_at or paper.published_at
    return PaperCard(
        path=paper.path,
        title=one_line(paper.title) or UNTITLED,
        excerpt=cut(paper.gist, EXCERPT) if excerpt is None else excerpt,
        by=paper.organization_name or authors(paper, 2),
        day=at.date() if at else None,
        rank=rank,
        votes=votes,
    )


def authors(paper: Paper, most: int) -> str:
    """`Ada Lovelace, Alan Turing and 4 more`."""
    names = [one_line(name) for name in paper.authors]
    return and_more(", ".join(names[:most]), len(names) - most)


def links(paper: Paper) -> list[tuple[str, Message]]:
    """Links to the paper elsewhere, as (address, words); https only."""
    elsewhere = paper.url if not paper.arxiv_url or "arxiv.org" not in paper.url else ""
    worded = [
        (paper.arxiv_url, _("arXiv")),
        (paper.pdf_url, _("PDF")),
        (elsewhere, _("Discussion and votes") if paper.arxiv_url else _("The paper")),
        (paper.code_url, _("Code")),
        (paper.project_url, _("Project page")),
    ]
    return [(address, words) for address, words in worded if address.startswith("https://") and address.isprintable()]

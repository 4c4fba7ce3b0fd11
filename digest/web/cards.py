"""Papers → what the pages show of them."""

from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

from digest.language import Message, _
from digest.mail.compose.cards import and_more
from digest.papers.paper import Paper, RankedPaper, arxiv_id
from digest.text import cut, one_line

EXCERPT = 280
UNTITLED = _("Untitled")


@dataclass(frozen=True, slots=True)
class PaperCard:
    """One paper in a list."""

    path: str  # of its own page
    title: str
    excerpt: str
    by: str  # its organisation, else its first authors
    day: date | None
    rank: int = 0
    votes: int = 0


def card(ranked: RankedPaper) -> PaperCard:
    """A paper with its rank in an issue."""
    return paper_card(ranked.paper, ranked.rank, int(ranked.terms.get("upvotes", 0)))


def paper_card(paper: Paper, rank: int = 0, votes: int = 0) -> PaperCard:
    """A paper in a list."""
    at = paper.listed_at or paper.published_at
    return PaperCard(
        path=page_of(paper),
        title=one_line(paper.title) or UNTITLED,
        excerpt=cut(paper.summary or paper.abstract, EXCERPT),
        by=one_line(paper.organization) or authors(paper, 2),
        day=at.date() if at else None,
        rank=rank,
        votes=votes,
    )


def page_of(paper: Paper) -> str:
    """The path of a paper's own page."""
    return f"/papers/{quote(paper.id, safe='/:')}"


def authors(paper: Paper, most: int) -> str:
    """`Ada Lovelace, Alan Turing and 4 more`."""
    names = [one_line(name) for name in paper.authors]
    return and_more(", ".join(names[:most]), len(names) - most)


def arxiv_page(text: str) -> str:
    """The address at arXiv of the paper that `text` names by its id; "" when it names none."""
    arxiv = arxiv_id(text)
    return f"https://arxiv.org/abs/{arxiv}" if arxiv else ""


def links(paper: Paper) -> list[tuple[str, Message]]:
    """Where else the paper can be read, as (address, words); only https addresses become links."""
    arxiv = arxiv_id(paper.id)
    worded = [
        (arxiv_page(paper.id), _("arXiv")),
        (f"https://arxiv.org/pdf/{arxiv}" if arxiv else "", _("PDF")),
        (
            paper.url if not arxiv or "arxiv.org" not in paper.url else "",
            _("Discussion and votes") if arxiv else _("The paper"),
        ),
        (paper.code_url, _("Code")),
        (paper.project_url, _("Project page")),
    ]
    return [(address, words) for address, words in worded if address.startswith("https://") and address.isprintable()]

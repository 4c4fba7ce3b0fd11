"""Papers → what the pages show of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from digest.issues.archive import ListedPaper
from digest.language import Message, _, and_more
from digest.ledger.kinds import IssueKind
from digest.papers.paper import ModelSummary, Paper, RankedPaper, Votes
from digest.papers.topics import TOPICS, Topic
from digest.text import cut, one_line
from digest.web.public.votes_chart import Curve, votes_curve

EXCERPT = 280
UNTITLED = _("Untitled")
_CATEGORY = 40  # characters; sources other than arXiv name them freely
_HACKERNEWS = "hackernews"  # its points are not votes
_HUGGINGFACE = "huggingface"  # it has a page for each paper that it lists
_CHOSEN, _PDF, _CODE, _DISCUSSION = _("Chosen by the editors"), _("PDF"), _("Code"), _("Discussion")
_TOPICS = {topic.slug: topic for topic in TOPICS}


@dataclass(frozen=True, slots=True)
class PaperCard:
    """One paper in a list."""

    path: str  # of the paper's page
    title: str
    excerpt: str
    by: str  # its first authors
    day: date | None
    rank: int = 0  # 0 for none
    votes: int = 0
    is_pinned: bool = False  # an editor chose it
    lab: str = ""
    why: Message | None = None  # it is in its issue
    ranked_on: date | None = None  # the issue that gave its rank, in a list of many issues
    gained: int = 0  # votes of the day before the cut
    code: str = ""  # its address
    stars: int = 0  # of its code
    topics: tuple[Topic, ...] = ()
    links: tuple[tuple[str, Message | str], ...] = ()
    curve: Curve | None = None  # of its votes until the cut
    written: tuple[ModelSummary, ...] = ()  # by a model, in place of its excerpt in their languages

    def written_in(self, language: str) -> ModelSummary | None:
        """The summary by a model that stands for the excerpt on a page in a language."""
        return next((summary for summary in self.written if summary.language == language), None)


def card(listed: ListedPaper, kind: str = IssueKind.DAILY, ranked_on: date | None = None) -> PaperCard:
    """A paper with its rank in an issue; what an editor chose or nobody voted on has none.

    `ranked_on`: the date of the issue, for a list of many issues.
    """
    paper, rank = listed.paper, listed.score_rank if listed.has_votes and not listed.is_pinned else 0
    return PaperCard(
        **_basics(paper),
        excerpt=cut(paper.gist, EXCERPT),
        written=paper.shown_model_summaries,
        rank=rank,
        votes=listed.votes,
        is_pinned=listed.is_pinned,
        why=_why(listed, rank, kind),
        ranked_on=ranked_on,
        gained=listed.gained,
        code=paper.code_url,
        stars=listed.stars,
        topics=tuple(_TOPICS[slug] for slug in listed.topics[:3] if slug in _TOPICS),
        links=_card_links(paper, listed.history),
        curve=votes_curve(_votes_in(listed.history)) if listed.votes else None,
    )


def _why(listed: ListedPaper, rank: int, kind: str) -> Message | None:
    """The reason for a paper that is the same for everyone; it claims a rank only for what people voted on."""
    if listed.is_pinned:
        return _CHOSEN
    if rank:
        return _ranked(rank, kind == IssueKind.WEEKLY)
    if listed.paper.categories:
        return _new_in(cut(listed.paper.categories[0], _CATEGORY))
    return None


# Filling in a text takes longer than all else on a card, and the texts of a page are those of other pages too.


@lru_cache(maxsize=1_000)
def _ranked(rank: int, is_of_week: bool) -> Message:
    return _("No. %(rank)s of the week", rank=rank) if is_of_week else _("No. %(rank)s of the day", rank=rank)


@lru_cache(maxsize=1_000)
def _new_in(category: str) -> Message:
    return _("New in %(category)s", category=category)


def _votes_in(history: str) -> list[tuple[int, str, int]]:
    seen = (part.split(":") for part in history.split(",") if part)
    return [(int(seconds), source, int(count)) for seconds, source, count in seen if source != _HACKERNEWS]


def _card_links(paper: Paper, history: str) -> tuple[tuple[str, Message | str], ...]:
    worded = (
        (paper.pdf_url, _PDF),
        (paper.code_url, _CODE),
        (paper.discussion_url(f":{_HUGGINGFACE}:" in history), _DISCUSSION),
        (paper.hackernews_url if f":{_HACKERNEWS}:" in history else "", "Hacker News"),
    )
    return tuple((address, words) for address, words in worded if _is_safe(address))


def paper_card(paper: Paper, rank: int = 0, votes: int = 0, excerpt: str | None = None) -> PaperCard:
    """A paper in a list, with its gist unless there is another excerpt."""
    written = paper.shown_model_summaries if excerpt is None else ()
    excerpt = cut(paper.gist, EXCERPT) if excerpt is None else excerpt
    return PaperCard(**_basics(paper), excerpt=excerpt, rank=rank, votes=votes, written=written)


def _basics(paper: Paper) -> dict[str, Any]:
    """The fields that every list shows."""
    at = paper.listed_at or paper.published_at
    return {
        "path": paper.path,
        "title": one_line(paper.title) or UNTITLED,
        "by": authors(paper, 2),
        "lab": paper.organization_name,
        "day": at.date() if at else None,
    }


def own_card(ranked: RankedPaper, position: int, why: Message) -> PaperCard:
    """A paper at its position in one subscriber's list; `why` is the part of its reason that is the same for all."""
    shown = paper_card(ranked.paper, position, int(ranked.terms.upvotes))
    return replace(shown, is_pinned=ranked.terms.is_pinned, why=why)


def authors(paper: Paper, most: int) -> str:
    """`Ada Lovelace, Alan Turing and 4 more`."""
    names = [one_line(name) for name in paper.authors]
    return and_more(", ".join(names[:most]), len(names) - most)


def links(paper: Paper, votes: Sequence[Votes] = ()) -> list[tuple[str, Message | str]]:
    """Links to the paper elsewhere, as (address, words); https only. `votes` tell where people discuss it."""
    sources = {seen.source for seen in votes}
    elsewhere = paper.discussion_url(_HUGGINGFACE in sources) if paper.arxiv_url else paper.url
    worded = [
        (paper.arxiv_url, _("arXiv")),
        (paper.pdf_url, _("PDF")),
        (elsewhere, _("Discussion and votes") if paper.arxiv_url else _("The paper")),
        (paper.hackernews_url if _HACKERNEWS in sources else "", "Hacker News"),
        (paper.code_url, _("Code")),
        (paper.project_url, _("Project page")),
    ]
    return [(address, words) for address, words in worded if _is_safe(address)]


def share_links(title: str, address: str) -> tuple[tuple[str, str | Message], ...]:
    """Links that begin a message or a post about a page of this site, as (address, words).

    None for Mastodon: each of its servers has an address of its own, which we don't know.
    """
    both = quote(f"{title} {address}", safe="")
    subject, page = quote(title, safe=""), quote(address, safe="")
    return (
        (f"mailto:?subject={subject}&body={both}", _("Email")),
        (f"https://bsky.app/intent/compose?text={both}", "Bluesky"),
        (f"https://x.com/intent/post?text={subject}&url={page}", "X"),
        (f"https://www.linkedin.com/sharing/share-offsite/?url={page}", "LinkedIn"),
    )


def _is_safe(address: str) -> bool:
    return address.startswith("https://") and address.isprintable()

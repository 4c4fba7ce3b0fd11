"""Papers → what the pages show of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
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


def card(listed: ListedPaper, kind: str = IssueKind.DAILY) -> PaperCard:
    """A paper with its rank in an issue; what an editor chose or nobody voted on has none."""
    rank = listed.score_rank if listed.has_votes and not listed.is_pinned else 0
    return replace(
        paper_card(listed.paper, rank, listed.votes),
        is_pinned=listed.is_pinned,
        why=_why(listed, rank, kind),
        gained=listed.gained,
        code=listed.paper.code_url,
        stars=listed.stars,
        topics=tuple(_TOPICS[slug] for slug in listed.topics[:3] if slug in _TOPICS),
        links=_card_links(listed.paper, listed.history),
        curve=votes_curve(_votes_in(listed.history)) if listed.votes else None,
    )


def _why(listed: ListedPaper, rank: int, kind: str) -> Message | None:
    """The reason for a paper that is the same for everyone; it claims a rank only for what people voted on."""
    if listed.is_pinned:
        return _("Chosen by the editors")
    if rank:
        return (
            _("No. %(rank)s of the week", rank=rank)
            if kind == IssueKind.WEEKLY
            else _("No. %(rank)s of the day", rank=rank)
        )
    if listed.paper.categories:
        return _("New in %(category)s", category=cut(listed.paper.categories[0], _CATEGORY))
    return None


def _votes_in(history: str) -> list[tuple[int, str, int]]:
    seen = (part.split(":") for part in history.split(",") if part)
    return [(int(seconds), source, int(count)) for seconds, source, count in seen if source != _HACKERNEWS]


def _card_links(paper: Paper, history: str) -> tuple[tuple[str, Message | str], ...]:
    worded = (
        (paper.pdf_url, _("PDF")),
        (paper.code_url, _("Code")),
        (paper.discussion_url(f":{_HUGGINGFACE}:" in history), _("Discussion")),
        (paper.hackernews_url if f":{_HACKERNEWS}:" in history else "", "Hacker News"),
    )
    return tuple((address, words) for address, words in worded if _is_safe(address))


def paper_card(paper: Paper, rank: int = 0, votes: int = 0, excerpt: str | None = None) -> PaperCard:
    """A paper in a list, with its gist unless there is another excerpt."""
    at = paper.listed_at or paper.published_at
    return PaperCard(
        path=paper.path,
        title=one_line(paper.title) or UNTITLED,
        excerpt=cut(paper.gist, EXCERPT) if excerpt is None else excerpt,
        by=authors(paper, 2),
        lab=paper.organization_name,
        day=at.date() if at else None,
        rank=rank,
        votes=votes,
        written=paper.shown_model_summaries if excerpt is None else (),
    )


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

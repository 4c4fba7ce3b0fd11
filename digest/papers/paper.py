"""A paper, the votes observed for it, and when two records are the same paper. Pure."""

import re
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from digest.papers.score_terms import ScoreTerms

# arXiv identifier scheme: 2405.17247v2 since 2007-04, hep-th/9901001v1 or math.GT/0309136 before.
NEW_STYLE = r"\d{4}\.\d{4,5}"
OLD_STYLE = r"[a-z-]+(?:\.[A-Z]{2})?/\d{7}"
_ARXIV_ID = re.compile(rf"(?:arxiv:)?({NEW_STYLE}|{OLD_STYLE})(?:v\d+)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Paper:
    """A publication from any source. All text is readable plain text (papers/text/plaintext.py)."""

    id: str  # arXiv id without version, else "<source>:<id>"
    title: str
    abstract: str = ""
    summary: str = ""  # one or two sentences, where a source gives them
    authors: tuple[str, ...] = ()
    organization: str = ""
    submitter: str = ""  # who put it on the list
    categories: tuple[str, ...] = ()  # arXiv's, e.g. "cs.CL"; primary first
    keywords: tuple[str, ...] = ()
    published_at: datetime | None = None  # version 1
    listed_at: datetime | None = None  # put on a list that people vote on; ages count from here
    url: str = ""  # the canonical page
    code_url: str = ""
    project_url: str = ""

    @property
    def path(self) -> str:
        """Of its page, behind the public address of the site."""
        return f"/papers/{quote(self.id, safe='/:')}"

    @property
    def arxiv_url(self) -> str:
        """Of its page at arXiv; "" for a paper that is not there."""
        return arxiv_page(self.id)

    @property
    def pdf_url(self) -> str:
        """Of its PDF at arXiv; "" for a paper that is not there."""
        return self.arxiv_url.replace("/abs/", "/pdf/")


COLUMNS = tuple(field.name for field in fields(Paper))
LISTS = frozenset({"authors", "categories", "keywords"})


@dataclass(frozen=True, slots=True)
class Votes:
    """The counts that one source showed for a paper at one instant."""

    paper_id: str
    source: str
    observed_at: datetime
    upvotes: int
    comments: int = 0
    stars: int | None = None  # of the code repository


@dataclass(frozen=True, slots=True)
class Observed:
    """A paper in the archive with its votes over time, oldest first."""

    paper: Paper
    first_seen_at: datetime  # when this installation first saw it on a list
    votes: tuple[Votes, ...] = ()


@dataclass(frozen=True, slots=True)
class RankedPaper:
    """A scored paper and its rank in an issue."""

    rank: int  # from 1
    paper: Paper  # as it was when it was ranked
    score: float
    terms: ScoreTerms
    late_days: int = 0  # how many days after its own issue it was found (papers/ranking/lateness.py)


def arxiv_id(text: str) -> str | None:
    """The arXiv identifier in `text` (an id, `arXiv:` id, or abs, pdf or html address) without its version, or None."""
    candidate = text.strip().removesuffix(".pdf")
    candidate = re.sub(r"^https?://(?:www\.|export\.)?arxiv\.org/(?:abs|pdf|html)/", "", candidate)
    match = _ARXIV_ID.fullmatch(candidate)
    return match.group(1) if match else None


def arxiv_page(text: str) -> str:
    """The page at arXiv of the paper whose identifier is in `text`; "" for none."""
    arxiv = arxiv_id(text)
    return f"https://arxiv.org/abs/{arxiv}" if arxiv else ""


def merge(earlier: Paper, later: Paper) -> Paper:
    """One record from two of the same paper: the later one wins wherever it has a value.

    The first listing and the first publication are kept, since ages count from them. Raises ValueError for two papers.
    """
    if earlier.id != later.id:
        raise ValueError(f"{earlier.id} and {later.id} are two papers")
    changes = {name: getattr(later, name) for name in COLUMNS if getattr(later, name) not in ("", (), None)}
    for name in ("published_at", "listed_at"):
        changes[name] = min(filter(None, (getattr(earlier, name), getattr(later, name))), default=None)
    return replace(earlier, **changes)


def paper_from(row: Any) -> Paper:
    """The paper in a row of the table `papers`."""
    values: dict[str, Any] = {name: getattr(row, name) for name in COLUMNS}
    return Paper(**values | {name: tuple(values[name]) for name in LISTS})

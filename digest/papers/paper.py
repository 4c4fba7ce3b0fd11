"""A paper, the votes observed for it, and when two records are the same paper. Pure."""

import re
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from digest.papers.score_terms import ScoreTerms
from digest.papers.taxonomy import ARCHIVES, CLOSED_ARCHIVES
from digest.papers.text.main_sentence import main_sentence
from digest.papers.text.organization import organization_name
from digest.text import ascii_forms, language_of, one_line

# arXiv identifier scheme: 2405.17247v2 since 2007-04, hep-th/9901001v1 or math.GT/0309136 before.
NEW_STYLE = r"\d\d(?:0[1-9]|1[0-2])\.\d{4,5}"
OLD_STYLE = rf"(?:{'|'.join(sorted(ARCHIVES))}|{CLOSED_ARCHIVES})(?:\.[a-z-]+)?/\d{{7}}"
_HOST = r"(?:(?:https?:)?//)?(?:[\w-]+\.)*"
_DOI = rf"(?:{_HOST}doi\.org/+|(?:info|urn)?[:/]?doi[:/]\s*)"
# Prefixes of an identifier: the address of a page about the paper, arXiv's DOI prefix, an OAI name.
_BEFORE = (
    rf"(?:{_HOST}(?:(?:(?:arxiv|ar5iv|alphaxiv|semanticscholar)\.org|(?:scirate|arxiv-vanity|emergentmind)\.com"
    r"|papers\.cool)(?::\d+)?(?:/+[\w-]+){0,2}|(?:huggingface|hf)\.co(?:/api)?/+papers)/+"
    rf"|{_DOI}?10\.48550/|oai:arxiv\.org:)?(?:arxiv[:.]\s*)?"
)
_AFTER = r"(?:v\d+)?(?:\.pdf)?(?:/(?:v\d+|[a-z][a-z.]*)?)*(?:[?#&]\S*)?(?:\s*\[[\w.-]+\]?.*)?"
_ARXIV_ID = re.compile(rf"{_BEFORE}({NEW_STYLE}|{OLD_STYLE}){_AFTER}", re.IGNORECASE | re.ASCII)
# Many publishers' addresses end in the DOI, and often in what is shown of the paper: /full, v2.full.pdf.
_OTHER_DOI = re.compile(
    rf"(?:{_DOI}|(?:https?:)?//[^/\s]+/(?:[a-z_-]+/)*|(?:[\w-]+\.)+[a-z]+/(?:[a-z_-]+/)*)?"
    r"(10\.(?:1101/[\d.]+\d|\d{4,9}/[^\s?#]+?))"
    r"(?:v\d+)?(?:[./](?:full|abstract|full-text|pdf|epdf|html|meta))*/*(?:;jsessionid=[^?#\s]*)?(?:[?#]\S*)?",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"(?:(?:https?:)?//|(?=(?:[\w-]+\.)+[a-z]{2,}(?::\d+)?/))([^\s/?#]+)((?:[/?#]\S*)?)", re.IGNORECASE
)
DOI_PAGE = "https://doi.org/"
_TRACKING = re.compile(
    r"(?:(?:utm|mtm|pk|piwik|matomo|vero|__?hs)_?\w+|(?:fb|g|d|y|tw|tt)clid|msclkid|[gw]braid|igsh(?:id)?|mc_[ce]id|mkt_tok"
    r"|_ga|_gl|ref|ref_src|ref_url|referr?er|source|cmpid|trk|rss|srsltid|spm)(?:=|$)",
    re.IGNORECASE,
)
_AS_IT_IS = "/:@!$&'()*+,;=~[]|"  # in a path


class ModelSummary(NamedTuple):
    """A sentence about a paper that a language model wrote."""

    language: str
    text: str
    model: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A publication from any source. All text is readable plain text (papers/text/plaintext.py)."""

    id: str  # arXiv id without version, else "<source>:<id>"
    title: str
    abstract: str = ""
    summary: str = ""  # one or two sentences, where a source gives them
    authors: tuple[str, ...] = ()
    organization: str = ""  # as its source has it; what is ranked by
    submitter: str = ""  # who put it on the list
    categories: tuple[str, ...] = ()  # arXiv's, e.g. "cs.CL"; primary first
    keywords: tuple[str, ...] = ()
    published_at: datetime | None = None  # version 1
    listed_at: datetime | None = None  # put on a list that people vote on; ages count from here
    url: str = ""  # the canonical page
    code_url: str = ""
    project_url: str = ""
    model_summaries: tuple[ModelSummary, ...] = ()  # stored apart from the paper, and with the issues that have it

    def has_summary_in(self, language: str) -> bool:
        """Return whether its source gave it a summary in a language, which no model then replaces."""
        return language_of(one_line(self.summary)) == language.partition("-")[0]

    @property
    def shown_model_summaries(self) -> tuple[ModelSummary, ...]:
        """Those that stand for its gist, each in its language."""
        return tuple([each for each in self.model_summaries if not self.has_summary_in(each.language)])

    def model_summary_in(self, language: str) -> ModelSummary | None:
        """The summary by a model that stands for its gist in a language."""
        return next((each for each in self.shown_model_summaries if each.language == language), None)

    @property
    def gist(self) -> str:
        """The summary of its source, else the sentence of its abstract that says what the paper does."""
        return one_line(self.summary) or main_sentence(one_line(self.title), one_line(self.abstract))

    @property
    def organization_name(self) -> str:
        """Its organization as people see it, without remarks and stray numbers."""
        return organization_name(self.organization)

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

    def discussion_url(self, is_on_huggingface: bool = False) -> str:
        """Of the page where people vote on and discuss a paper of arXiv, "" if none is known.

        `is_on_huggingface`: that site counted votes for it. It also does so for every paper with a submitter.
        """
        if not self.arxiv_url:
            return ""
        if is_on_huggingface or self.submitter:
            return f"https://huggingface.co/papers/{self.id}"
        return self.url if urlsplit(self.url).hostname not in (None, "arxiv.org") else ""

    @property
    def hackernews_url(self) -> str:
        """Of the stories at Hacker News about a paper of arXiv, found by its identifier; there may be several."""
        return f"https://hn.algolia.com/?query={quote(self.id, safe='')}" if self.arxiv_url else ""


COLUMNS = tuple(field.name for field in fields(Paper) if field.name != "model_summaries")
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
    postponed_to: datetime | None = None  # before which no issue could have it


@dataclass(frozen=True, slots=True)
class RankedPaper:
    """A scored paper and its rank in an issue."""

    rank: int  # from 1
    paper: Paper  # as it was when it was ranked
    score: float
    terms: ScoreTerms
    late_days: int = 0  # how many days after its own issue it was found (papers/ranking/lateness.py)

    @property
    def has_votes(self) -> bool:
        """Return False for a paper that nobody voted on: calling it ranked or trending would be untrue."""
        return self.terms.has_votes

    @property
    def score_rank(self) -> int:
        """Its rank without what editors pinned. Only this one may be told to people as a rank."""
        return int(self.terms.score_rank or self.rank)


def arxiv_id(text: str) -> str | None:
    """The arXiv identifier in `text` without its version, or None.

    `text` is an identifier, a DOI or an address, as people write them.
    """
    match = _ARXIV_ID.fullmatch(unquote(ascii_forms(text[:500])).strip(" \t\r\n<>()[]\"'.,;!"))
    archive, slash, number = match.group(1).rpartition("/") if match else ("", "", "")
    return archive.partition(".")[0].lower() + slash + number if match else None


def canonical_address(text: str) -> str:
    """The address in `text`, the same for every way to write it; "" for none."""
    text = text.strip(" \t\r\n<>\"'")
    if doi := _OTHER_DOI.fullmatch(unquote(text[:500]).strip(" <>\"'.,;")):
        return f"{DOI_PAGE}{doi.group(1).lower()}"
    address = _ADDRESS.fullmatch(text)
    if address is None:
        return ""
    page, _, fragment = address.group(2).partition("#")  # papers may share a page
    path, _, query = page.partition("?")
    query = "&".join(part for part in query.split("&") if part and not _TRACKING.match(part))
    path = quote(unquote(re.sub(r";jsessionid=[^/]*", "", path, flags=re.IGNORECASE)), _AS_IT_IS, errors="replace")
    fragment = "" if _TRACKING.match(fragment) else fragment.partition(":~:")[0]
    return (
        f"https://{_host(address.group(1))}{path.rstrip('/')}{'?' * bool(query)}{query}{'#' * bool(fragment)}{fragment}"
    )


def _host(text: str) -> str:
    host = re.sub(r"^www\.|\.?(?::(?:80|443))?$", "", text.lower())
    try:
        return host.encode("idna").decode()
    except UnicodeError:
        return host


def paper_id_of(*names: Any) -> str | None:
    """The id of the paper with these names: arXiv's, else from a DOI, else from the first name; None without any."""
    texts = [name.strip() for name in names if isinstance(name, str) and name.strip()]
    on_arxiv = next(filter(None, map(arxiv_id, texts)), None)
    if on_arxiv or not texts:
        return on_arxiv
    addresses = [canonical_address(text) or text for text in texts]
    name = next((address for address in addresses if address.startswith(DOI_PAGE)), addresses[0])
    return f"feeds:{sha256(name.encode(errors='replace')).hexdigest()[:24]}"


@lru_cache(maxsize=4_096)  # a card asks for three addresses that begin with it
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


def paper_from(row: Any, summaries: tuple[ModelSummary, ...] = ()) -> Paper:
    """The paper in a row of the table `papers`."""
    values: dict[str, Any] = {name: getattr(row, name) for name in COLUMNS}
    return Paper(**values | {name: tuple(values[name]) for name in LISTS}, model_summaries=summaries)

"""Reads arXiv's XML, from the export API or an announcement feed, Atom or RSS; also when the document is cut off."""

import re
from dataclasses import dataclass, field
from datetime import date
from xml.etree.ElementTree import Element

from digest.papers.paper import Paper, arxiv_id
from digest.papers.sources.reading import count_of, decoded, in_time, per_record, text_of
from digest.papers.sources.source import SourceUnavailable
from digest.papers.sources.xml import BrokenXml, authors, categories, elements, first_instant, repaired, texts
from digest.papers.text.plaintext import LONGEST
from digest.text import parse_instant

# "arXiv:2508.13426v1 Announce Type: cross \nAbstract: …" stands before the abstract in feeds.
_ANNOUNCEMENT = re.compile(r"\s*arXiv:\S+\s+Announce Type:\s*([a-z-]+)\s+(?:Abstract:\s*)?", re.IGNORECASE)
# Only at the start of the text: abstracts also mention drugs and other things that were withdrawn.
_WORK = r"(?:paper|article|submission|manuscript|preprint|work|version)"
# "Paper withdrawn from ICLR 2026" is about a submission elsewhere; "from arXiv" or "at our request" is about the paper.
_ELSEWHERE = (
    r"(?:(?:from|at|during|prior\s+to)\s+(?!(?:the\s+)?(?:arxiv|public)|[^.;:\n]{0,30}\brequest)"
    r"|after\s+[^.;:\n]{0,20}(?:review|rebuttal|acceptance|decision)|as\s+an?\s[^.;:\n]{0,30}\bsubmission)"
)
_FROM_A_VENUE = (
    r"[^.;:\n]{0,60}?\b(?:withdr[ae]wn?|withdrew|retracted)(?:\s+this\s+\w+)?"
    rf"(?:\s+by\s+(?:the\s+|its\s+)?(?:authors?|us))?\s+{_ELSEWHERE}"
)
# "Withdrawn for NeurIPS 2026", "withdrawn, ICLR 2026"; names of venues have several capital letters.
_AT_A_VENUE = (
    r"[^.;:\n]{0,60}?\bwithdrawn[\s,(]+(?:\w+\s+){0,3}(?-i:[A-Z][^\WA-Z]*+[A-Z]\w*)"
    r"[\s'’-]*(?:20\d\d|\d\d\b|page|workshop)"
)
_GONE = (
    r"(?:removed\s+by\s+arxiv|(?:withdrawn|retracted)"
    r"(?=\s*(?:$|[.:;,()\]])|\s+(?:by|due|at|because|as|from|for|pending)\b))"
)
_PAPER_GONE = (
    rf"(?:(?:this|our|the)\s+(?:\w+\s+)?)?{_WORK}\s+(?:(?:has\s+been|was|is)\s+(?:\w+\s+)?)?{_GONE}"
    rf"|(?:(?:the\s+)?authors?|we|i)\s+(?:have\s+|has\s+)?withdr[ae]wn?\s+this\s+{_WORK}"
)
_BEFORE = rf"(?!{_FROM_A_VENUE})(?!{_AT_A_VENUE})(?:arxiv\s+admin\s+note:\s*)?"
_WITHDRAWN = re.compile(
    rf"\W*+{_BEFORE}(?:{_PAPER_GONE}|(?:withdrawn|retracted)(?:\s+(?:by|due|at|because|pending|for)\b"
    r"|\s*[.:;,\]](?!\s*[\w-]+\s+20\d\d)|\s*$))",
    re.IGNORECASE,
)
# Only in comments: "12 pages; this paper has been withdrawn".
_WITHDRAWN_LATER = re.compile(rf"[.;,]\s++{_BEFORE}(?:{_PAPER_GONE})", re.IGNORECASE)


@dataclass(slots=True)
class ArxivDocument:
    """A document's contents. `problem` is arXiv's own error message; `cut` is why the document is not whole."""

    entries: list["ArxivEntry"] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)  # ids of deleted entries (RFC 6721)
    dated: date | None = None  # of a feed: the announcement
    total: int | None = None  # of the API: the total
    problem: str = ""
    cut: str = ""
    is_feed: bool = False  # it is a list, perhaps an empty list


@dataclass(frozen=True, slots=True)
class ArxivEntry:
    """A paper, or why there is none. `announced` is new, cross, replace, … in feeds."""

    place: str
    paper: Paper | None
    reason: str = ""
    announced: str = ""
    withdrawn: bool = False

    @property
    def name(self) -> str:
        """The paper's id, or the position of an entry without one."""
        return self.paper.id if self.paper else self.place


def document(body: bytes) -> ArxivDocument:
    """Every whole entry of the document; never raises."""
    result = ArxivDocument()
    try:
        for is_whole, name, element in in_time(elements(repaired(decoded(body)))):
            if is_whole:
                _take(result, name, element)
            else:
                result.is_feed = result.is_feed or name in ("feed", "rss")
    except BrokenXml as error:
        result.cut = f"the XML cannot be read to its end ({error})"
    except SourceUnavailable as problem:
        result.cut = str(problem)
    return result


def _take(result: ArxivDocument, name: str, element: Element) -> None:
    if name in ("entry", "item"):
        _take_entry(result, element)
        element.clear()
    elif name == "deleted-entry":
        deleted = _first_id([element.get("ref") or ""])
        result.deleted += [deleted] if deleted else []
    elif name == "totalResults":
        result.total = count_of((element.text or "").strip())
    elif name in ("pubDate", "updated", "published") and result.dated is None:
        # The date as written: arXiv dates an announcement in US Eastern time.
        written = parse_instant(element.text or "")
        result.dated = written.date() if written else None


def _take_entry(result: ArxivDocument, element: Element) -> None:
    ids = texts(element, "id", "guid", "link")
    if any("/api/errors" in text for text in ids):
        result.problem = text_of(" ".join(texts(element, "summary"))) or "an error without a message"
        return
    number = len(result.entries) + 1
    entry = per_record(lambda element: _entry(element, ids, number), element)
    result.entries.append(ArxivEntry(f"entry {number}", None, entry) if isinstance(entry, str) else entry)


def _entry(element: Element, ids: list[str], number: int) -> ArxivEntry:
    paper_id = _first_id(ids)
    place = f"entry {number}" + (f" ({paper_id or text_of(ids[0])[:60]})" if ids else "")
    title = text_of(" ".join(texts(element, "title")))
    if paper_id is None or not title:
        return ArxivEntry(place, None, "it has no title" if paper_id else "it has no arXiv id")
    abstract = " ".join(texts(element, "summary", "description"))
    announcement = _ANNOUNCEMENT.match(abstract)
    announced = next(iter(texts(element, "announce_type")), announcement.group(1) if announcement else "")
    paper = Paper(
        id=paper_id,
        title=title,
        abstract=text_of(abstract[announcement.end() :] if announcement else abstract),
        authors=tuple(authors(element, r",\s+|\n")),
        categories=tuple(categories(element, "primary_category", "category")),
        published_at=first_instant(texts(element, "published", "pubDate")),
        url=f"https://arxiv.org/abs/{paper_id}",
    )
    comments = [comment[:LONGEST] for comment in texts(element, "comment")]
    withdrawn = any(map(announces_withdrawal, [paper.abstract, *comments]))
    withdrawn = withdrawn or any(map(_WITHDRAWN_LATER.search, comments))
    return ArxivEntry(place, paper, announced=announced.strip().lower(), withdrawn=withdrawn)


def announces_withdrawal(text: str) -> bool:
    """True for a comment or abstract that announces, in the words of arXiv or authors, that its paper was withdrawn."""
    return bool(_WITHDRAWN.match(text))


def _first_id(candidates: list[str]) -> str | None:
    ids = (arxiv_id(text.removeprefix("oai:").replace("arXiv.org:", "")) for text in candidates)
    return next(filter(None, ids), None)

"""One entry of a library, and which paper its fields name. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

from digest.papers.paper import DOI_PAGE, NEW_STYLE, OLD_STYLE, arxiv_id, canonical_address, paper_id_of
from digest.papers.search.tokenizer import words_of
from digest.papers.sources.reading import text_of
from digest.text import one_line

LONGEST_TITLE = 500
_LONGEST_DOI = 200
_LONGEST_ABSTRACT = 5_000
_ENOUGH_WORDS = 30  # of an abstract by which a paper can be placed
# "arXiv preprint arXiv:2405.17247", "arXiv:2405.17247 [cs]": within the text of a field.
_MENTION = re.compile(
    rf"\barxiv(?:\.org/(?:abs|pdf|html)/|\s*[:.]\s*|\s+)({NEW_STYLE}|{OLD_STYLE})(?!\d)", re.IGNORECASE | re.ASCII
)
_BRACES = re.compile(r"[{}]")


class EntryProblem(StrEnum):
    """Stored: why there is no paper behind an entry."""

    UNREADABLE = "unreadable"  # a pasted line without a number, address or title
    NO_TITLE = "no title"  # an address or DOI elsewhere, by itself
    UNKNOWN = "unknown"  # arXiv has no paper with this number
    NOT_FOUND = "not found"  # nor one with this title
    SILENT = "silent"  # no service answered for days


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """A reference that a subscriber brings. `paper_id`: an id of arXiv or of a feed's paper, if its fields name one."""

    title: str
    abstract: str = ""
    paper_id: str | None = None
    doi: str = ""  # of a paper that is not at arXiv
    problem: EntryProblem | None = None

    @property
    def name(self) -> str:
        """The same for every way to write the same entry."""
        return self.paper_id or f"title:{sha256(title_key(self.title).encode()).hexdigest()[:32]}"


def title_key(title: str) -> str:
    """A title without case, diacritics, punctuation and plurals, to compare it with others."""
    return " ".join(word.text for word in words_of(title))


def is_on_arxiv(paper_id: str) -> bool:
    return arxiv_id(paper_id) == paper_id


def entry_of(title: str, names: Iterable[str], abstract: str = "") -> LibraryEntry | None:
    """Return the entry with these fields as they are written in a file; None without a title and a name."""
    title = _BRACES.sub("", text_of(title[: 4 * LONGEST_TITLE]))[:LONGEST_TITLE].strip()
    texts = [text for text in (one_line(name[:500]) for name in names) if text]
    on_arxiv = next(filter(None, map(_arxiv_id_in, texts)), None)
    addresses = [text for text in texts if canonical_address(text)]
    if on_arxiv:
        return LibraryEntry(title, _abstract_of(abstract), on_arxiv)
    doi = next(filter(None, map(_doi_in, addresses)), "")
    if title_key(title):
        return LibraryEntry(title, _abstract_of(abstract), paper_id_of(*addresses), doi)
    return LibraryEntry(addresses[0], "", paper_id_of(*addresses), doi) if addresses else None


def own_paper_id(entry_title: str, abstract: str) -> str | None:
    """Return the id of the paper that an entry describes well enough by itself to be placed."""
    if len(abstract.split()) < _ENOUGH_WORDS:
        return None
    return f"library:{sha256('|'.join((entry_title, abstract)).encode()).hexdigest()[:32]}"


def pasted_entries(text: str) -> list[LibraryEntry]:
    """Return an entry for each pasted number, address or title. Titles have a line each."""
    entries: list[LibraryEntry] = []
    for line in text.splitlines():
        parts = _parts(line)
        if parts and all(map(_is_name, parts)):
            entries += [_named(part) for part in parts]
        elif parts:
            entries.append(_typed(line.strip()[:LONGEST_TITLE]))
    return entries


def named_entries(text: str) -> list[LibraryEntry]:
    """Return an entry for each arXiv number and DOI on lines that hold nothing else."""
    lines = [parts for parts in map(_parts, text.splitlines()) if all(map(_is_number, parts))]
    return [_named(part) for parts in lines for part in parts]


def _parts(line: str) -> list[str]:
    return [part for part in re.split(r"[\s,;]+", line) if part]


def _is_number(text: str) -> bool:
    return bool(arxiv_id(text) or _doi_in(text))


def _is_name(text: str) -> bool:
    return bool(arxiv_id(text) or canonical_address(text))


def _named(text: str) -> LibraryEntry:
    if arxiv_id(text):
        return LibraryEntry("", paper_id=paper_id_of(text))
    return LibraryEntry(one_line(text)[:LONGEST_TITLE], paper_id=paper_id_of(text), doi=_doi_in(text))


def _typed(line: str) -> LibraryEntry:
    on_arxiv = _arxiv_id_in(line)
    if on_arxiv is None and ("://" in line or len(line.split()) < 2 or not title_key(line)):
        return LibraryEntry(text_of(line) or "?", problem=EntryProblem.UNREADABLE)
    return LibraryEntry(text_of(line), paper_id=on_arxiv)


def _arxiv_id_in(text: str) -> str | None:
    mention = _MENTION.search(text)
    return arxiv_id(text) or (arxiv_id(mention[1]) if mention else None)


def _doi_in(text: str) -> str:
    """Return the DOI in an address or DOI; "" for none."""
    page = canonical_address(text)
    doi = page.removeprefix(DOI_PAGE)
    return doi if doi != page and len(doi) <= _LONGEST_DOI else ""


def _abstract_of(text: str) -> str:
    return _BRACES.sub("", text_of(text[:_LONGEST_ABSTRACT]))

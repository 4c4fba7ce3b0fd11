"""Finds papers of a pool that match an interest or a muted topic or word. Pure.

Each interest is looked up once for all subscribers of the pool.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import compress
from typing import NamedTuple, TypeVar

from digest.papers.paper import Paper
from digest.papers.topics import TOPICS, matches_topic
from digest.subscribers.subscriber import Preferences

_WHOLE_WORD = 4  # words up to this length match whole words: "rag" is not in "ragged"; "distil" is in "distillation"
_TOPICS = {topic.slug: topic for topic in TOPICS}
_BITS = bytes([digit & 1 for digit in range(256)])  # by the digits "0" and "1"

T = TypeVar("T")
PaperSet = int  # bit n stands for paper n of a pool: sets of any size are joined and split in well under a microsecond


def numbers_in(papers: PaperSet) -> Iterator[int]:
    """The numbers of these papers, ascending."""
    while papers:
        lowest = papers & -papers
        yield lowest.bit_length() - 1
        papers ^= lowest


def of_papers(papers: PaperSet, things: Sequence[T]) -> Iterator[T]:
    """Yield the things of these papers, from a sequence with one for each paper. Faster than numbers_in() for many."""
    return compress(things, bin(papers)[:1:-1].encode().translate(_BITS))  # from the last binary digit to the first


def set_of(numbers: Iterable[int]) -> PaperSet:
    papers = 0
    for number in numbers:
        papers |= 1 << number
    return papers


class InterestKind(StrEnum):
    """The most specific first. The values are names of score terms."""

    AUTHOR = "author"
    KEYWORD = "keyword"
    LAB = "lab"
    TOPIC = "topic"
    CATEGORY = "category"


_KINDS = tuple(InterestKind)


class Interest(NamedTuple):
    """One thing that a subscriber follows or muted."""

    kind: InterestKind
    word: str


def interests_of(preferences: Preferences) -> tuple[Interest, ...]:
    """A subscriber's interests, the most specific first; empty by default."""
    wanted = preferences
    by_kind = (wanted.authors, wanted.keywords, wanted.labs, wanted.topics, wanted.categories)
    return tuple([Interest(kind, word) for kind, words in zip(_KINDS, by_kind, strict=True) for word in words])


def muted_by(preferences: Preferences) -> list[Interest]:
    """A subscriber's muted topics and words."""
    topics = [Interest(InterestKind.TOPIC, slug) for slug in preferences.muted_topics]
    return topics + [Interest(InterestKind.KEYWORD, word) for word in preferences.muted_words]


class Catalogue:
    """The papers of a pool by what subscribers may follow; papers are numbered from 0."""

    def __init__(self, papers: Sequence[Paper], texts: Sequence[str] | None = None, most_kept: int = 20_000) -> None:
        """`texts`: of papers without their abstracts, as folded_text() made them before. `most_kept`: matches."""
        self._papers = papers
        self._given_texts = texts
        self.matches = lru_cache(maxsize=most_kept)(self._find)

    def _find(self, interest: Interest) -> PaperSet:
        """The papers that match; none for an unknown topic or without a letter or digit."""
        return set_of(_MATCHES[interest.kind](self, interest.word)) if any(map(str.isalnum, interest.word)) else 0

    def matches_any(self, interests: Iterable[Interest]) -> PaperSet:
        """The papers that match at least one."""
        papers = 0
        for interest in interests:
            papers |= self.matches(interest)
        return papers

    def by_topic(self, slug: str) -> Iterable[int]:
        """See papers/topics.py."""
        topic = _TOPICS.get(slug)
        return [index for index, paper in enumerate(self._papers) if topic and matches_topic(paper, topic)]

    def by_category(self, category: str) -> Iterable[int]:
        """A category of arXiv's, or an archive with all its categories ("cs")."""
        wanted = category.casefold()
        return [
            index
            for index, categories in enumerate(self._categories)
            if any(name == wanted or name.startswith(f"{wanted}.") for name in categories)
        ]

    def by_keyword(self, keyword: str) -> Iterable[int]:
        """Words that begin with it, anywhere in the text; a short one must be a whole word."""
        wanted = _folded(keyword)
        search = _at_a_word(wanted)
        return [index for index, text in enumerate(self._texts) if wanted in text and search(text)]

    def by_author(self, name: str) -> Iterable[int]:
        """The whole name, whatever its accents and capitals."""
        wanted = f"\n{_folded(name)}\n"
        return [index for index, names in enumerate(self._authors) if wanted in names]

    def by_lab(self, name: str) -> Iterable[int]:
        """The organisation, or whole words of its name: "Google" is about "Google DeepMind" too."""
        wanted = _folded(name)
        search = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)").search
        return [index for index, lab in enumerate(self._labs) if wanted in lab and search(lab)]

    @cached_property
    def _texts(self) -> list[str]:
        return [folded_text(paper) for paper in self._papers] if self._given_texts is None else [*self._given_texts]

    @cached_property
    def _categories(self) -> list[list[str]]:
        return [[category.casefold() for category in paper.categories] for paper in self._papers]

    @cached_property
    def _authors(self) -> list[str]:
        """A line for each name, between line breaks: sets would take five times the memory."""
        return ["\n".join(["", *map(_folded, paper.authors), ""]) for paper in self._papers]

    @cached_property
    def _labs(self) -> list[str]:
        return [_folded(paper.organization) for paper in self._papers]


_MATCHES: dict[InterestKind, Callable[[Catalogue, str], Iterable[int]]] = {
    InterestKind.AUTHOR: Catalogue.by_author,
    InterestKind.KEYWORD: Catalogue.by_keyword,
    InterestKind.LAB: Catalogue.by_lab,
    InterestKind.TOPIC: Catalogue.by_topic,
    InterestKind.CATEGORY: Catalogue.by_category,
}


def _at_a_word(wanted: str) -> Callable[[str], object]:
    end = r"s?(?!\w)" if len(wanted) <= _WHOLE_WORD else ""
    literal = re.escape(wanted)
    # A sign has no word boundary next to it, as at the end of "C++". The sign before is checked last: a pattern that
    # begins with its literal is found several times faster.
    begin = rf"(?<!\w{literal})" if wanted[:1].isalnum() else ""
    return re.compile(literal + begin + (end if wanted[-1:].isalnum() else "")).search


def folded_text(paper: Paper) -> str:
    """Return the text in which keywords are looked for."""
    return _folded(f"{paper.title} {paper.summary} {paper.abstract} {' '.join(paper.keywords)}")


def _folded(text: str) -> str:
    """Lower case without accents, and single spaces for hyphens, line breaks and runs of spaces."""
    if not text.isascii():
        text = "".join(char for char in unicodedata.normalize("NFKD", text) if not unicodedata.combining(char))
    return " ".join(text.casefold().replace("-", " ").split())

"""Which papers of a pool a reader's words are about: topics, categories, keywords, authors, labs; asked for or muted.

Pure. What matches a word is looked up once for all readers of the pool.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import cached_property, lru_cache
from typing import NamedTuple

from digest.papers.paper import Paper
from digest.papers.topics import TOPICS, matches_topic
from digest.subscribers.subscriber import Preferences

_WHOLE_WORD = 4  # so short a word is matched whole: "rag" is not in "ragged"; "distil" is in "distillation"
_TOPICS = {topic.slug: topic for topic in TOPICS}


class InterestKind(StrEnum):
    """What a wish is about, what says most of a reader first. The words are names of score terms."""

    AUTHOR = "author"
    KEYWORD = "keyword"
    LAB = "lab"
    TOPIC = "topic"
    CATEGORY = "category"


class Interest(NamedTuple):
    """One thing that a reader asked for, or muted."""

    about: InterestKind
    word: str


def asked_for(preferences: Preferences) -> list[Interest]:
    """What a reader wants to see, what says most of them first; empty for the default reader."""
    wants = preferences
    if not (wants.topics or wants.keywords or wants.categories or wants.authors or wants.labs):
        return []
    said = (wants.authors, wants.keywords, wants.labs, wants.topics, wants.categories)
    return [Interest(about, word) for about, words in zip(InterestKind, said, strict=True) for word in words]


def muted(preferences: Preferences) -> list[Interest]:
    """What a reader never wants to see."""
    topics = (Interest(InterestKind.TOPIC, slug) for slug in preferences.muted_topics)
    return [*topics, *(Interest(InterestKind.KEYWORD, word) for word in preferences.muted_words)]


class Catalogue:
    """The papers of a pool by what readers may ask for. A place is a paper's position in `papers`, from 0."""

    def __init__(self, papers: Sequence[Paper]) -> None:
        self._papers = papers
        self.places = lru_cache(maxsize=20_000)(self._places)

    def _places(self, wish: Interest) -> tuple[int, ...]:
        """Where the papers are that `wish` is about; for an unknown topic nowhere."""
        return tuple(_MATCHES[wish.about](self, wish.word))

    def by_topic(self, slug: str) -> Iterable[int]:
        """See papers/topics.py."""
        topic = _TOPICS.get(slug)
        return [place for place, paper in enumerate(self._papers) if topic and matches_topic(paper, topic)]

    def by_category(self, name: str) -> Iterable[int]:
        """A category of arXiv's, or an archive with all its categories ("cs")."""
        wanted = name.casefold()
        return [
            place
            for place, categories in enumerate(self._categories)
            if any(one == wanted or one.startswith(f"{wanted}.") for one in categories)
        ]

    def by_keyword(self, keyword: str) -> Iterable[int]:
        """Words that begin with it, in all that is known of the paper's text; a short one must be a whole word."""
        wanted = _folded(keyword)
        found = _at_a_word(wanted)
        return [place for place, text in enumerate(self._texts) if wanted in text and found(text)]

    def by_author(self, name: str) -> Iterable[int]:
        """The whole name, whatever its accents and capitals."""
        wanted = _folded(name)
        return [place for place, names in enumerate(self._authors) if wanted in names]

    def by_lab(self, name: str) -> Iterable[int]:
        """The organisation, or whole words of its name: "Google" is about "Google DeepMind" too."""
        wanted = _folded(name)
        found = re.compile(rf"(?<!\w){re.escape(wanted)}(?!\w)").search
        return [place for place, lab in enumerate(self._labs) if wanted in lab and found(lab)]

    @cached_property
    def _texts(self) -> list[str]:
        return [_folded(_text(paper)) for paper in self._papers]

    @cached_property
    def _categories(self) -> list[list[str]]:
        return [[one.casefold() for one in paper.categories] for paper in self._papers]

    @cached_property
    def _authors(self) -> list[set[str]]:
        return [{_folded(name) for name in paper.authors} for paper in self._papers]

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
    # What begins or ends with a sign, such as "C++", has no border of a word there.
    begin = r"(?<!\w)" if wanted[:1].isalnum() else ""
    return re.compile(begin + re.escape(wanted) + (end if wanted[-1:].isalnum() else "")).search


def _text(paper: Paper) -> str:
    return f"{paper.title} {paper.summary} {paper.abstract} {' '.join(paper.keywords)}"


def _folded(text: str) -> str:
    """Without capitals and accents, with one space where hyphens, line breaks and spaces stood."""
    if not text.isascii():
        text = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return " ".join(text.casefold().replace("-", " ").split())

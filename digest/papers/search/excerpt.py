"""A text and a query → the part of the text that answers it, with the words found marked. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from digest.papers.search.query import Term
from digest.papers.search.tokenizer import Word, words_of


class Piece(NamedTuple):
    """A stretch of text, and whether it was looked for."""

    text: str
    found: bool


def marked(text: str, terms: Iterable[Term]) -> list[Piece]:
    """The whole of `text`, in pieces."""
    return _pieces(text, _places(text, terms), 0, len(text))


def excerpt(text: str, terms: Iterable[Term], limit: int) -> list[Piece]:
    """At most about `limit` characters of `text`: from its beginning, or around what was found when that is further on.

    Cut at words, with an ellipsis at each cut.
    """
    places = _places(text, terms)
    start = _start(text, places, limit)
    end = _word_end(text, start + limit)
    pieces = _pieces(text, places, start, end)
    before = [Piece("… ", False)] if start else []
    after = [Piece(" …", False)] if end < len(text) else []
    return [*before, *pieces, *after]


def _places(text: str, terms: Iterable[Term]) -> list[tuple[int, int]]:
    """Where the terms stand, [start, end) in order and apart."""
    words = list(words_of(text))
    covered: list[tuple[int, int]] = []
    for term in terms:
        for first in range(len(words) - len(term.words) + 1):
            run = words[first : first + len(term.words)]
            if _is(run, term):
                covered.append((run[0].start, run[-1].end))
    return _joined(sorted(covered))


def _is(run: Sequence[Word], term: Term) -> bool:
    *front, last = (word.text for word in run)
    ends = last == term.words[-1] or (term.beginning != "" and last.startswith(term.beginning))
    return ends and tuple(front) == term.words[:-1]


def _joined(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in places:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _start(text: str, places: list[tuple[int, int]], limit: int) -> int:
    """Where the stretch of `limit` characters begins that holds the most places; the first such."""
    if len(text) <= limit or not places or places[0][1] <= limit // 2:
        return 0
    best = max(places, key=lambda place: sum(place[0] <= start < place[0] + limit * 3 // 4 for start, _ in places))
    wished = min(max(0, best[0] - limit // 6), len(text) - limit)
    space = text.find(" ", wished, best[0]) if wished else -1
    return space + 1 if space >= 0 else wished


def _word_end(text: str, end: int) -> int:
    if end >= len(text):
        return len(text)
    space = text.rfind(" ", 0, end + 1)
    return space if end - space < 30 and space > 0 else end


def _pieces(text: str, places: list[tuple[int, int]], start: int, end: int) -> list[Piece]:
    pieces, done = [], start
    for place in places:
        first, last = max(place[0], done), min(place[1], end)
        if first < last:
            pieces += [Piece(text[done:first], False), Piece(text[first:last], True)]
            done = last
    pieces.append(Piece(text[done:end], False))
    return [piece for piece in pieces if piece.text]

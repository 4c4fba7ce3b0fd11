"""Cuts the part of a text that matches a query, and marks the matching words. Pure."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from digest.papers.search.query import Term
from digest.papers.search.tokenizer import Word, words_of


class Piece(NamedTuple):
    """A piece of text, and whether it matches."""

    text: str
    is_match: bool


def marked(text: str, terms: Iterable[Term]) -> list[Piece]:
    """The whole of `text`, in pieces."""
    return _pieces(text, _matches(text, terms), 0, len(text))


def excerpt(text: str, terms: Iterable[Term], limit: int) -> list[Piece]:
    """About `limit` characters of `text` at most: from its beginning, or around the matches if they come later.

    Cut between words, with an ellipsis at each cut.
    """
    matches = _matches(text, terms)
    start = _start(text, matches, limit)
    end = _word_end(text, start + limit)
    before = [Piece("… ", False)] if start else []
    after = [Piece(" …", False)] if end < len(text) else []
    return [*before, *_pieces(text, matches, start, end), *after]


def _matches(text: str, terms: Iterable[Term]) -> list[tuple[int, int]]:
    """The positions of the terms, [start, end), in order; they may overlap."""
    words = list(words_of(text))
    numbers: dict[str, list[int]] = {}  # of the words with the same text
    for number, word in enumerate(words):
        numbers.setdefault(word.text, []).append(number)
    return sorted(
        (words[last - len(term.words) + 1].start, words[last].end)
        for term in terms
        for folded in numbers
        if _is_last(folded, term)
        for last in numbers[folded]
        if _has_front(words, last, term)
    )


def _is_last(text: str, term: Term) -> bool:
    return text == term.words[-1] or (term.beginning != "" and text.startswith(term.beginning))


def _has_front(words: Sequence[Word], last: int, term: Term) -> bool:
    first = last - len(term.words) + 1
    return first >= 0 and all(word.text == text for word, text in zip(words[first:last], term.words, strict=False))


def _start(text: str, matches: list[tuple[int, int]], limit: int) -> int:
    """The start of the first `limit` characters with the most matches."""
    if len(text) <= limit or not matches or matches[0][1] <= limit // 2:
        return 0
    best = max(matches, key=lambda match: sum(match[0] <= start < match[0] + limit * 3 // 4 for start, _ in matches))
    ideal = min(max(0, best[0] - limit // 6), len(text) - limit)
    space = text.find(" ", ideal, best[0]) if ideal else -1
    return space + 1 if space >= 0 else ideal


def _word_end(text: str, end: int) -> int:
    if end >= len(text):
        return len(text)
    space = text.rfind(" ", 0, end + 1)
    return space if end - space < 30 and space > 0 else end


def _pieces(text: str, matches: list[tuple[int, int]], start: int, end: int) -> list[Piece]:
    is_match = [False] * len(text)
    for first, last in matches:
        is_match[first:last] = [True] * (last - first)
    runs = groupby(range(start, end), key=is_match.__getitem__)
    return [Piece("".join(text[position] for position in positions), matching) for matching, positions in runs]

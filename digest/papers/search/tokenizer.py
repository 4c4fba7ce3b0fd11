"""Splits text into words for the index. Pure, so that both databases have the same words (decision 11).

A word is a run of letters and digits without case, diacritics and plural endings. Scripts without spaces between words
are cut into overlapping pairs of characters, as Lucene's CJKAnalyzer does.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

LONGEST = 64  # characters of a word; longer words are cut
# Thai to Khmer, kana, Han, Hangul.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003fffd"
)
_ACCENTS = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20f0"
)
_VOWEL_SIGNS = "\u0900-\u0963\u0966-\u0dff"  # of the Indic scripts: not letters in Unicode, but part of words
_RUN = re.compile(f"([{_UNSPACED}]+)|(?:[^\\W_{_UNSPACED}]|[{_ACCENTS}{_VOWEL_SIGNS}])+")
_ASCII_RUN = re.compile("()[0-9A-Za-z]+|(?!)()")
_ACCENT = re.compile(f"[{_ACCENTS}]")
_NO_LETTER = re.compile(f"[^\\w{_VOWEL_SIGNS}{_UNSPACED}]|_")
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ð": "d"})

# Words that say nothing about a paper, left out of a query that has other words as well.
_COMMON = (
    "a an and are as at be by can do for from has have how i in into is it its more not of on or our such than that the"
    " their these they this to use using via was we what when where which with"
)


class Word(NamedTuple):
    """A folded word and its position in the text: [start, end)."""

    text: str
    start: int
    end: int


def words_of(text: str) -> Iterator[Word]:
    """The words of `text`, in order."""
    for run in (_ASCII_RUN if text.isascii() else _RUN).finditer(text):
        if run.group(1):
            yield from _pairs(run.group(), run.start())
        elif folded := _stem_of(run.group()):
            yield Word(folded, run.start(), run.end())


@lru_cache(maxsize=50_000)
def _stem_of(run: str) -> str:
    return stem(fold(run))


@lru_cache(maxsize=50_000)
def fold(run: str) -> str:
    """`run` without case and diacritics; "" when nothing is left."""
    if run.isascii():
        return run.lower()[:LONGEST]
    bare = _ACCENT.sub("", unicodedata.normalize("NFKD", run.casefold())).casefold().translate(_LETTERS)
    return _NO_LETTER.sub("", unicodedata.normalize("NFC", bare))[:LONGEST]


@lru_cache(maxsize=50_000)
def stem(folded: str) -> str:
    """The word without its plural ending: `losses` becomes `loss`, `studies` `study`, `images` `imag` like `image`.

    Gentler than Porter's (1980), which turns `generate`, `general` and `generation` into the same word.
    """
    while len(folded) > 3 and folded.isascii():
        if folded.endswith("ies") and len(folded) > 4:
            folded = folded[:-3] + "y"
        elif folded.endswith("e") or (folded.endswith("s") and not folded.endswith("ss")):
            folded = folded[:-1]
        else:
            break
    return folded


def is_unspaced(character: str) -> bool:
    """True for characters of scripts without spaces between words."""
    return re.fullmatch(f"[{_UNSPACED}]", character) is not None


def _pairs(run: str, start: int) -> Iterator[Word]:
    """Each character with the next one; the last one alone, so that every character begins a word."""
    for index in range(len(run)):
        pair = run[index : index + 2]
        if folded := fold(pair):
            yield Word(folded, start + index, start + index + len(pair))


STOPS = frozenset(map(stem, _COMMON.split()))

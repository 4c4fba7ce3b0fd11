"""Weighs the words of titles and abstracts. Pure, except that it reads its table."""

import json
import math
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("word_weights.json")  # benchmarks/fit_ranking.py writes it
_TO_SPACE = str.maketrans(dict.fromkeys(string.punctuation.replace("-", "") + "\n\t", " "))


def words_in(title: str, abstract: str) -> list[str]:
    """The words in lower case, those of the title as "title:word". A compound with hyphens is a single word."""
    of_title = title.lower().translate(_TO_SPACE).split()
    return [*map("title:{}".format, of_title), *abstract.lower().translate(_TO_SPACE).split()]


def words_score(title: str, abstract: str) -> float:
    """The sum of the weights of the different words."""
    weights = word_weights()
    return math.fsum(map(weights.__getitem__, _weighed().intersection(words_in(title, abstract))))


@cache
def word_weights() -> Mapping[str, float]:
    """The fitted table."""
    weights: dict[str, float] = json.loads(TABLE.read_text(encoding="utf-8"))
    return weights


@cache
def _weighed() -> frozenset[str]:
    return frozenset(word_weights())

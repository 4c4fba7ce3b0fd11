"""Words, queries, excerpts and likeness: pure functions."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.papers.paper import Paper
from digest.papers.search import LONGEST_QUERY, Query, Term, excerpt, marked, parse_query
from digest.papers.search.similar import MOST_WORDS, characteristic, words_in
from digest.papers.search.tokenizer import LONGEST, fold, stem, words_of


def words(text: str) -> list[str]:
    return [word.text for word in words_of(text)]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Émilie", "emilie"),
        ("E\u0301milie", "EMILIE"),
        ("Łukasz Größe", "lukasz groesse".replace("oe", "o")),
        ("losses", "loss"),
        ("studies", "study"),
        ("GPUs", "gpu"),
        ("biases", "bias"),
        ("images", "image"),
        ("searches", "search"),
        ("ﬁne", "fine"),
        ("ＧＰＴ", "gpt"),
        ("İstanbul", "istanbul"),
        ("Ångström", "angstrom"),
    ],
)
def test_spellings_of_one_word_are_one_word(one: str, other: str) -> None:
    assert words(one) == words(other) != []


def test_words_that_differ_stay_apart() -> None:
    assert len({*words("generate generation general universe university model modeling")}) == 7


def test_scripts_without_spaces_are_cut_into_pairs() -> None:
    assert words("GPT模型综述") == ["gpt", "模型", "型综", "综述", "述"]
    assert words("हिन्दी") == ["हिन्दी"]


@given(st.text())
def test_words_stand_where_they_say_and_hold_nothing_that_a_database_reads(text: str) -> None:
    for word in words_of(text):
        assert 0 <= word.start < word.end <= len(text)
        assert 0 < len(word.text) <= LONGEST
        assert not set(word.text) & set(" \t\n'\"\\:&|!()<>*-+^\0")


@given(st.text(st.characters(categories=["L", "N", "M"]), min_size=1, max_size=12))
def test_what_is_folded_and_stemmed_stays_so(run: str) -> None:
    assert stem(stem(fold(run))) == stem(fold(run))


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("", Query()),
        ('- "" * --', Query()),
        ("？？ …、。 🤗", Query()),
        ("10.48550/ARXIV.2405.17247v2", Query(paper_id="2405.17247")),
        ("see math.GT/0309136", Query((Term(("see",), "see"),), paper_id="math/0309136")),
        ("the", Query((Term(("the",), "the"),))),
        ("the model of gpu", Query((Term(("model",)), Term(("gpu",), "gpu")))),
        ("“chain of thought”", Query((Term(("chain", "of", "thought")),))),
        ('open "end', Query((Term(("open",)), Term(("end",))))),
        ("-a-b", Query((), (Term(("a", "b")),))),
        ("arXiv:2405.17247v2", Query(paper_id="2405.17247")),
        ("https://huggingface.co/papers/2405.17247?x=1", Query(paper_id="2405.17247")),
        ("https://arxiv.org/abs/hep-th/9901001", Query(paper_id="hep-th/9901001")),
        ("12405.17247", Query((Term(("12405", "17247"), "17247"),))),
        ("x 2405.17247", Query((Term(("x",)),), paper_id="2405.17247")),
    ],
)
def test_what_is_typed_is_understood(typed: str, query: Query) -> None:
    assert parse_query(typed) == query


@given(st.text(max_size=3 * LONGEST_QUERY))
def test_every_text_is_a_query_of_limited_size(text: str) -> None:
    query = parse_query(text)
    assert len(query.wanted) + len(query.without) <= 48


SOUGHT = parse_query('graph "neural nets"').wanted


@given(st.lists(st.sampled_from(["Graphs", "neural", "nets", "<b>", "&", "模型", "long-winded", "\n"]), max_size=80))
def test_marking_loses_nothing_and_marks_what_was_sought(parts: list[str]) -> None:
    text = " ".join(parts)
    pieces = marked(text, SOUGHT)
    assert "".join(piece.text for piece in pieces) == text
    assert {_words(piece.text) for piece in pieces if piece.is_match} <= {"Graphs", "neural nets"}
    assert any(piece.is_match for piece in pieces) == ("Graphs" in parts or "neural nets" in _words(text))


def _words(text: str) -> str:
    """Punctuation between the words of a phrase does not count."""
    return " ".join(re.findall(r"[\w-]+", text))


@given(st.integers(0, 60), st.integers(0, 60))
def test_an_excerpt_is_short_and_shows_what_was_found(before: int, after: int) -> None:
    text = "filler " * before + "graph" + " filler" * after
    pieces = excerpt(text, SOUGHT, 120)
    assert sum(len(piece.text) for piece in pieces) <= 130
    assert [piece.text for piece in pieces if piece.is_match] == ["graph"]
    plain = "".join(piece.text for piece in pieces).removeprefix("… ").removesuffix(" …")
    assert plain in text


def test_the_words_that_tell_the_most_come_first_and_are_few() -> None:
    paper = Paper("x:1", "Quantum error correction", " ".join(f"word{n}" for n in range(60)) + " the of with")
    counts = words_in(paper)
    assert not {"the", "of", "with"} & set(counts)
    known = dict.fromkeys(counts, 50) | {"quantum": 20, "correction": 900, "word1": 1}
    told = characteristic(counts, known, 1000)
    assert next(iter(told)) == "quantum"
    assert len(told) == MOST_WORDS
    assert not {"correction", "word1"} & set(told)

"""Text of others, made fit for the narrowest telephone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.text import breakable, domain_of, language_of

BREAK = "\u200b"


@pytest.mark.parametrize(
    "text", ["", "Attention is all you need", "state-of-the-art retrieval", "大规模语言模型的稀疏注意力" * 9]
)
def test_ordinary_words_are_left_alone(text):
    assert breakable(text) == text


def test_an_address_may_break_behind_its_slashes():
    parts = breakable("Code: https://github.com/laboratory/model.").split(BREAK)
    assert parts == ["Code: https://", "github.com/", "laboratory/", "model."]


def test_a_break_is_no_more_frequent_than_it_must_be():
    assert breakable("a/" * 14).split(BREAK) == ["a/" * 7, "a/" * 7]


@given(st.text(alphabet="aM-/.é", min_size=24, max_size=200))
def test_nothing_is_added_to_a_long_word_but_places_to_break(word):
    pieces = breakable(word).split(BREAK)
    assert "".join(pieces) == word
    assert max(map(len, pieces)) <= 14


def test_the_domain_of_an_address_is_what_follows_the_last_at():
    assert domain_of("Ada@Example.ORG") == "Example.ORG"
    assert domain_of('"a@b"@example.org') == "example.org"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Sorting Papers with Transformers", "en"), ("大规模语言模型的稀疏注意力", "zh"),
        ("用 Transformer 排序论文", "zh"),
        ("論文の並べ替え", "ja"), ("Attention for 北京", "en"), ("نماذج اللغة", "ar"), ("논문 정렬", "ko"),
        ("Сортировка", ""), ("2026", ""), ("", ""), ("Käse – “Œuvre” …", "en"), ("… – 2026", ""), ("…注意", "zh"),
    ],
)  # fmt: skip
def test_a_script_tells_the_language_of_a_title(text: str, code: str) -> None:
    assert language_of(text) == code

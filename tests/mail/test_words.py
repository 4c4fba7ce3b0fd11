"""Text of others, made fit for the narrowest telephone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.mail.words import breakable

BREAK = "\u200b"


@pytest.mark.parametrize(
    "text", ["", "Attention is all you need", "state-of-the-art retrieval", "大规模语言模型的稀疏注意力" * 9]
)
def test_ordinary_words_are_left_alone(text):
    assert breakable(text) == text


def test_an_address_may_break_behind_its_slashes():
    parts = breakable("Code: https://github.com/laboratory/model.").split(BREAK)
    assert parts == ["Code: https://", "github.com/", "laboratory/", "model."]


@given(st.text(alphabet="aM-/. é", max_size=200))
def test_nothing_is_added_but_places_to_break(text):
    broken = breakable(text)
    assert broken.replace(BREAK, "") == text
    for word in broken.replace(BREAK, " ").split():
        assert len(word.rstrip("/-")) < 24

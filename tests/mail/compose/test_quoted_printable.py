"""Quoted-printable that joins: what is put together decodes to what was meant, in short lines that nobody alters."""

import quopri
import re

import pytest
from dkim.canonicalization import Relaxed
from hypothesis import example, given
from hypothesis import strategies as st

from digest.mail.compose.quoted_printable import (
    encoded_pieces,
    encoded_value,
    placeholder,
    quoted_printable,
    row_placeholder,
)

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\ufdd0\ufdd1"), max_size=200) | st.text(
    st.sampled_from(" \t\n.=é語xF"), max_size=200
)


def decoded(encoded: bytes) -> str:
    return quopri.decodestring(encoded).decode().replace("\r\n", "\n")


def lines_of(text: str) -> str:
    return re.sub("\r\n?", "\n", text)


def assert_fit(encoded: bytes) -> None:
    assert encoded.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", encoded)
    for line in encoded.split(b"\r\n"):
        assert len(line) <= 76
        assert not line.startswith((b".", b"From "))
        assert not re.search(rb"[ \t]$|[ \t]{2}|\t", line)
    assert Relaxed.canonicalize_body(encoded + b"end\r\n") == encoded + b"end\r\n"


@given(TEXTS)
@example("From here\nFrom there")
@example("x" * 74 + "é")
@example(".\n..\n. From ")
def test_any_text_comes_back_and_is_its_own_canonical_form(text: str) -> None:
    encoded = quoted_printable(text)
    assert_fit(encoded)
    assert decoded(encoded) == lines_of(text)


@given(st.lists(TEXTS, min_size=1, max_size=5), TEXTS)
@example(["", ""], "")
@example(["ends in a blank ", " and begins with one"], "")
@example(["x" * 80, "\n" + "y" * 80], "z" * 80)
@example(["From ", "From "], "From ")
def test_pieces_and_a_value_join_to_the_whole_text(literals: list[str], value: str) -> None:
    pieces = encoded_pieces(placeholder("name").join(literals))
    assert pieces[1::2] == ("name",) * (len(literals) - 1)
    joined = encoded_value(value).join(piece.encode() for piece in pieces[::2])
    assert_fit(joined)
    assert decoded(joined) == lines_of(value).join(lines_of(literal) for literal in literals)


@given(TEXTS)
def test_a_soft_line_break_fits_behind_every_value(value: str) -> None:
    assert all(len(line) <= 75 for line in encoded_value(value).split(b"\r\n")[-1:])


def test_a_hole_between_rows_of_a_table_is_a_comment_that_goes_away() -> None:
    assert encoded_pieces(f"<tr></tr>\n{row_placeholder('cards')}\n<tr></tr>") == (
        "<tr></tr>\r\n",
        "cards",
        "\r\n<tr></tr>",
    )


def test_a_lone_surrogate_cannot_be_encoded() -> None:
    with pytest.raises(UnicodeEncodeError):
        quoted_printable("\ud800")

"""The bytes of the SMTP dialogue."""

import smtplib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.smtp.connection import ProtocolError, Replies, commands, dot_stuffed, is_plain_address

TEXT = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30)
REPLY = st.tuples(st.integers(200, 599), st.lists(TEXT, min_size=1, max_size=4))


def on_the_wire(code, lines):
    return "".join(f"{code}-{line}\r\n" for line in lines[:-1]) + f"{code} {lines[-1]}\r\n"


@given(st.lists(REPLY, max_size=6), st.data())
def test_replies_are_the_same_however_they_are_cut(replies, data):
    wire = "".join(on_the_wire(code, lines) for code, lines in replies).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    reader = Replies()
    pieces = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]
    found = [reply for piece in pieces for reply in reader.feed(piece)]
    assert found == [(code, "\n".join(lines)) for code, lines in replies]


@pytest.mark.parametrize("line", ["250", "250 ", "250 ok\r", "250-\r\n250"])
def test_a_reply_may_have_no_text(line):
    ((code, _),) = Replies().feed(line.encode() + b"\n")
    assert code == 250


@pytest.mark.parametrize(
    "wire",
    [
        b"hello\r\n",
        b"99 x\r\n",
        b"150 x\r\n",
        b"600 x\r\n",
        b"250x\r\n",
        b"250-a\r\n550 b\r\n",
        b"\r\n",
        b"25\xb2 x\r\n",
    ],
)
def test_what_is_no_reply_is_a_protocol_error(wire):
    with pytest.raises(ProtocolError):
        list(Replies().feed(wire))


@pytest.mark.parametrize(
    "wire", [b"2" * 9000, b"250 " + b"x" * 9000 + b"\r\n", b"250-x\r\n" * 101, b"250-" + b"x" * 9000]
)
def test_a_reply_without_end_is_a_protocol_error(wire):
    with pytest.raises(ProtocolError):
        list(Replies().feed(wire))
    reader = Replies()
    with pytest.raises(ProtocolError):
        [list(reader.feed(wire[index : index + 1])) for index in range(len(wire))]


def test_what_was_good_before_a_protocol_error_is_told():
    replies = Replies().feed(b"250 taken\r\nnonsense\r\n")
    assert next(replies) == (250, "taken")
    with pytest.raises(ProtocolError):
        next(replies)


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"", b".b", b"\r\n"]), max_size=8))
def test_dots_are_doubled_and_the_end_is_marked(parts):
    message = b"\r\n".join(parts)
    wire = b"".join(dot_stuffed(message))
    assert wire.endswith(b"\r\n.\r\n") or wire == b".\r\n"
    body = wire.removesuffix(b".\r\n")
    assert b"\r\n.\r\n" not in body
    assert body == smtplib._quote_periods(message) + (b"" if message.endswith(b"\r\n") else b"\r\n")


def test_who_says_that_no_line_begins_with_a_dot_is_believed():
    assert dot_stuffed(b"a\r\n.b\r\n", may_have_dots=False) == (b"a\r\n.b\r\n", b".\r\n")
    assert dot_stuffed(b".a", may_have_dots=False) == (b".a", b"\r\n.\r\n")


@pytest.mark.parametrize("address", ["a@b.org", "first.last+tag@sub.example.com", "o'neil@example.ie"])
def test_plain_addresses(address):
    assert is_plain_address(address)
    assert commands(address, address)[1] == f"RCPT TO:<{address}>\r\n".encode()


@pytest.mark.parametrize(
    "address",
    ["", "a", "a b@c.org", "a@b.org>", "a@b.org\r\nDATA", '"a"@b.org', "ü@b.org", "a@b.org\n", "a" * 250 + "@b.org"],
)
def test_addresses_that_could_end_the_command_are_not_plain(address):
    assert not is_plain_address(address)

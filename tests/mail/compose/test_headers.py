"""Header bytes: valid for servers and email clients, and safe from injected fields."""

import email
import re
from dataclasses import replace
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digest.ledger.kinds import Kind
from digest.mail.compose.headers import message_bytes, message_id
from digest.mail.message import UnfitMessage
from digest.text import one_line
from tests.mail.builders import a_draft, a_paper, an_issue, headers, message_parts, parts_of_every_kind

FIELDS = [
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Archive",
    "Feedback-ID",
    "Auto-Submitted",
    "Precedence",
    "MIME-Version",
    "Content-Type",
]
HOSTILE = (
    "one\r\nBcc: x@y",
    "one\nBcc: x@y\n\n<script>",
    "one\rBcc: x@y",
    "=?UTF-8?Q?=0A?=Bcc: x@y",
    "=?UTF-8?B?DQpCY2M6IHhAeQ==?=",
    "a\u2028Bcc: x@y\u2029b\x85Bcc: x@y\x0bBcc: x@y\x0cBcc: x@y\x1cBcc: x@y",
    "\u202e\u2066txet desrever\u2069\u202c",
    "NUL\0ESC\x1bDEL\x7fC1\x9b",
    "lone \ud800 surrogate",
    "é" * 300,
    "Überlänge " * 40,
    "日本語" * 100,
    "🤗" * 100,
    "x" * 5000,
    "word " * 1000,
    "e\u0301" * 200,
    ": starts with a colon",
    "\t tabs \t and   spaces ",
)


def head_of(raw: bytes) -> bytes:
    return raw.partition(b"\r\n\r\n")[0]


def parsed(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def field(raw: bytes, name: str) -> str:
    """The raw lines of one header field, without its name."""
    found = re.findall(rf"^{name}: ([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)", head_of(raw).decode(), re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


def assert_sound(raw: bytes, fields: list[str] = FIELDS) -> None:
    """Rules for every message, checked without the email package."""
    assert raw.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    head = head_of(raw)
    assert re.findall(rb"^([!-9;-~]+):", head, re.MULTILINE) == [name.encode() for name in fields]
    assert b"?==?" not in head
    for line in head.split(b"\r\n"):
        assert line.strip()
        assert len(line) <= (76 if b"=?" in line else 998)
        assert all(len(word) <= 75 for word in re.findall(rb"=\?[^ ]*\?=", line))
    assert all(len(line) <= 76 for line in raw[len(head) + 4 :].split(b"\r\n"))


def test_the_header_section_of_a_digest() -> None:
    raw = message_bytes(message_parts(), headers())
    assert_sound(raw)
    expected = {
        "From": "Daily Papers <digest@papers.example.org>",
        "To": "reader@example.com",
        "Reply-To": "Editors <hello@example.org>",
        "Subject": "10 papers, 23 Nov",
        "Date": "Mon, 23 Nov 2026 07:00:00 +0000",
        "List-Id": "<digest.papers.example.org>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Archive": "<https://papers.example.org/issues>",
        "Feedback-ID": "2026-11-23:digest:papers.example.org:digest",
        "Auto-Submitted": "auto-generated",
        "Precedence": "bulk",
        "MIME-Version": "1.0",
    }
    assert {name: field(raw, name) for name in expected} == expected


def test_what_one_person_asked_for_is_no_mail_of_a_list() -> None:
    raw = message_bytes(message_parts(), headers(kind=Kind.LINK))
    assert_sound(raw, [name for name in FIELDS if name not in ("List-Id", "List-Archive", "Precedence")])


def test_without_an_archive_none_is_named_and_replies_go_to_the_sender() -> None:
    raw = message_bytes(message_parts(), headers(reply_to="", archive_url=""))
    assert_sound(raw, [name for name in FIELDS if name != "List-Archive"])
    assert field(raw, "Reply-To") == field(raw, "From")


@pytest.mark.parametrize("length", [40, 70, 78, 79, 200, 900])
def test_a_list_unsubscribe_of_any_length_stays_plain(length: int) -> None:
    url = "https://papers.example.org/u/".ljust(length, "x")
    raw = message_bytes(message_parts(), headers(unsubscribe_url=url))
    assert field(raw, "List-Unsubscribe") == f"<{url}>"
    assert_sound(raw)


@pytest.mark.parametrize("subject", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_subject_brings_no_header_and_stays_readable(subject: str) -> None:
    raw = message_bytes(message_parts(subject=subject), headers())
    assert_sound(raw)
    assert parsed(raw)["Subject"] == one_line(subject)[:250]


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=300).filter(one_line))
def test_any_subject_survives(subject: str) -> None:
    raw = message_bytes(message_parts(subject=subject), headers())
    assert_sound(raw)
    decoded = make_header(decode_header(field(raw, "Subject").replace("\r\n", "")))
    assert str(decoded) == one_line(subject)[:250]


@given(st.text(st.characters(codec="utf-8"), max_size=400))
def test_any_text_survives(text: str) -> None:
    raw = message_bytes(message_parts(text=text, html=f"<p>{text}</p>"), headers())
    assert_sound(raw)
    lines = re.sub("\r\n?", "\n", text)
    plain, html = (part.get_payload(decode=True) for part in parsed(raw).walk() if not part.is_multipart())
    assert isinstance(plain, bytes)
    assert isinstance(html, bytes)
    assert plain.decode().replace("\r\n", "\n") == lines
    assert html.decode().replace("\r\n", "\n") == f"<p>{lines}</p>"


@pytest.mark.parametrize("kind", list(Kind))
def test_every_message_comes_out_as_it_went_in(kind: Kind) -> None:
    parts = parts_of_every_kind()[kind]
    message = parsed(message_bytes(parts, headers(kind=kind)))
    assert [part.get_content_type() for part in message.walk()] == ["multipart/alternative", "text/plain", "text/html"]
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert message["Subject"] == parts.subject
    assert text.get_content().replace("\r\n", "\n") == parts.text
    assert html.get_content().replace("\r\n", "\n") == parts.html
    assert all(not part.defects for part in message.walk())


def test_awkward_lines_of_a_body_survive_and_stay_short() -> None:
    text = (
        "From the start\n.\n..\n"
        + "é" * 200
        + "\n"
        + "x" * 200
        + "\ntrailing  \n\tFrom\n"
        + "From here " * 30
        + "\n--\n"
    )
    raw = message_bytes(message_parts(text=text), headers())
    assert_sound(raw)
    assert b"\nFrom " not in raw
    body = parsed(raw).get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == text


@given(st.integers(60, 80), st.sampled_from((" ", "\t", "  ", "é ", "=", ".", "From ")), st.sampled_from(("\n", "")))
@settings(deadline=None)
def test_a_line_of_any_length_and_end_stays_short(length: int, end: str, after: str) -> None:
    text = "x" * length + end + after
    raw = message_bytes(message_parts(text=text), headers())
    assert_sound(raw)
    body = parsed(raw).get_body(("plain",))
    assert body is not None
    assert body.get_content().replace("\r\n", "\n") == text


def test_the_same_values_give_the_same_bytes_and_another_mail_another_boundary() -> None:
    parts = parts_of_every_kind()[Kind.DIGEST]
    assert message_bytes(parts, headers()) == message_bytes(parts, headers())
    other = message_bytes(parts, headers(message_id="other@papers.example.org"))
    assert parsed(other).get_boundary() != parsed(message_bytes(parts, headers())).get_boundary()


@pytest.mark.parametrize(
    ("sender", "name"),
    [
        ("Daily Papers <a@example.org>", "Daily Papers"),
        ('"Papers, Daily" <a@example.org>', "Papers, Daily"),
        ('"Say \\"papers\\"" <a@example.org>', 'Say "papers"'),
        ("Tägliche Aufsätze <a@example.org>", "Tägliche Aufsätze"),
        ("論文 " * 30 + "<a@example.org>", ("論文 " * 30).strip()),
        ("Long " * 11 + "<a@example.org>", ("Long " * 11).strip()),
        ("=?UTF-8?Q?=0A?= x <a@example.org>", "=?UTF-8?Q?=0A?= x"),
        ("a@example.org", ""),
    ],
)
def test_the_senders_name_survives(sender: str, name: str) -> None:
    raw = message_bytes(message_parts(), headers(sender=sender))
    assert_sound(raw)
    phrase, address = parseaddr(field(raw, "From").replace("\r\n", ""))
    assert (str(make_header(decode_header(phrase))) if "=?utf-8" in phrase else phrase) == name
    assert address == "a@example.org"


@pytest.mark.parametrize(
    "wrong",
    [
        {"to": "a@example.com, b@example.com"},
        {"to": "a@example.com\r\nBcc: b@example.com"},
        {"to": "josé@example.com"},
        {"to": ""},
        {"sender": "digest"},
        {"sender": "Name <a@example.org>\r\nBcc: b@example.com, <c@example.com>"},
        {"reply_to": "nobody"},
        {"unsubscribe_url": "https://a.example/u/x y"},
        {"unsubscribe_url": "https://a.example/u/x>,<https://b.example"},
        {"unsubscribe_url": "https://a.example/u/x\r\nBcc: b@example.com"},
        {"unsubscribe_url": "https://é.example/u/x"},
        {"unsubscribe_url": "mailto:a@example.org"},
        {"unsubscribe_url": "https://a.example/u/" + "x" * 1000},
        {"archive_url": "https://a.example/\r\n"},
        {"occasion": "2026-11-23\r\nX: y"},
        {"message_id": "no-at-sign"},
        {"message_id": "a@b>\r\nX: y"},
        {"date": datetime(2026, 11, 23)},  # noqa: DTZ001 - the point of it
    ],
    ids=repr,
)
def test_values_that_do_not_fit_a_header_make_no_message(wrong: dict[str, Any]) -> None:
    with pytest.raises(UnfitMessage):
        message_bytes(message_parts(), replace(headers(), **wrong))


@pytest.mark.parametrize("wrong", [{"subject": ""}, {"subject": "\u200b\0"}, {"text": "\ud800"}, {"html": "\udfff"}])
def test_parts_that_cannot_be_encoded_make_no_message(wrong: dict[str, str]) -> None:
    with pytest.raises(UnfitMessage):
        message_bytes(message_parts(**wrong), headers())


def test_message_ids_differ_with_each_part_and_name_nobody() -> None:
    usual = a_draft(an_issue([a_paper()]), None).delivery
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"id": 8},
        {"recipient": "9999"},
        {"occasion": "2026-11-24"},
        {"kind": Kind.LINK},
    )
    deliveries = [replace(usual, **change) for change in changes]
    ids = {message_id(delivery, "papers.example.org") for delivery in [*deliveries, usual]}
    assert len(ids) == 5
    assert all(re.fullmatch(r"(digest|link)\.[0-9a-f]{32}@papers\.example\.org", value) for value in ids)


def test_the_date_is_the_instant_given_in_its_own_offset() -> None:
    raw = message_bytes(message_parts(), headers(date=datetime(2026, 2, 1, 5, 6, 7, tzinfo=UTC)))
    assert field(raw, "Date") == "Sun, 01 Feb 2026 05:06:07 +0000"

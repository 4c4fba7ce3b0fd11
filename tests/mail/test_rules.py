"""The rules notice what they are there for: each of these mails is broken in one way."""

import re
from collections.abc import Callable

import pytest

from digest.mail.compose import compose
from digest.mail.message import Kind
from tests.mail.builders import every_letter, every_message, headers
from tests.mail.rules import RULES, Mail, broken

Change = Callable[[str], str]


def instead(old: str, new: str, count: int = 1) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, count)

    return change


IN_HTML: list[tuple[str, Change]] = [
    ("document", instead("<!DOCTYPE html>", "")),
    ("document", instead(' lang="en"', "")),
    ("document", instead("</title>", " and more</title>")),
    ("document", instead('<meta name="format-detection"', '<meta name="nothing"')),
    ("document", instead('<meta charset="utf-8">', "")),
    ("preheader", instead("display:none", "display:block")),
    ("preheader", instead("Monday, 23 November 2026: each paper", "Each")),
    ("elements_and_styles", instead("<h1", "<script>alert(1)</script><h1")),
    ("elements_and_styles", instead("<p ", '<p onclick="x" ')),
    ("elements_and_styles", instead("<p ", '<p id="x" ')),
    ("elements_and_styles", instead("margin:0", "float:left")),
    ("elements_and_styles", instead("#1f1f1c", "#fff")),
    ("elements_and_styles", instead(", sans-serif", "")),
    ("elements_and_styles", instead("@media", "/* why */ @media")),
    ("layout", instead('class="sheet" role="presentation"', 'class="sheet"')),
    ("layout", instead("<!--[if mso]>", "<!--[if gone]>")),
    ("headings", instead("<h2 ", '<h1 dir="auto"></h1><h2 ')),
    ("headings", instead('<h2 dir="auto"', "<h2")),
    ("legible", instead("font-size:14px", "font-size:11px")),
    ("legible", instead("line-height:1.5;", "line-height:1.1;", -1)),
    ("contrast", instead("color:#5c5951", "color:#a09c94", -1)),
    ("contrast", instead(".byline { color: #b5b1a9", ".byline { color: #5c5951")),
    ("dark_mode", instead("#9cc3ff !important", "#9cc3ff")),
    ("dark_mode", instead(":root", ".root")),
    ("links", instead("https://arxiv.org/pdf", "http://arxiv.org/pdf")),
    ("links", instead("https://arxiv.org/pdf/2611.00003", "https://arxiv.org/pdf/2611.00099")),
    ("links", instead("PDF&nbsp;on&nbsp;arXiv", "PDF")),
    ("links", instead("text-decoration:underline", "text-decoration:none")),
    ("button", instead("padding:12px 24px", "padding:2px 24px")),
    ("button", instead('class="button-link"', 'class="link"')),
    ("footer", instead("You get this because", "")),
    ("footer", instead(">Preferences<", ">Wishes<")),
    ("size", instead("<h1", "<p>" + "padding " * 13_000 + "</p><h1")),
]
IN_TEXT: list[tuple[str, Change]] = [
    ("text_part", instead("\n\n", "\n" + "wide " * 20 + "\n")),
    ("text_part", instead("\n\n", "\nfish &amp; chips\n")),
    ("text_part", instead("\n\n", "\n$x^2$ and \\alpha\n")),
    ("text_part", instead("Unsubscribe:\n", "Unsubscribe: ")),
    ("links", instead("https://arxiv.org/pdf/2611.00003", "https://arxiv.org/pdf/2611.00099")),
    ("footer", instead("reader@example.com", "you")),
]
ON_THE_WIRE: list[tuple[str, Change]] = [
    ("on_the_wire", instead("\r\n", "\n")),
    ("on_the_wire", instead("Subject: ", "Subject: é")),
    ("on_the_wire", instead("Subject: ", "Subject: =?utf-8?b?w6k=?==?utf-8?b?w6k=?= ")),
    ("on_the_wire", instead("Subject: ", "Subject: =?utf-8?b?" + "w6k=" * 18 + "?=\r\n ")),
    ("on_the_wire", instead("From: ", "X-Long: " + "x" * 1000 + "\r\nFrom: ")),
    ("on_the_wire", instead("\r\nUnsubscribe:", "\r\n" + "x" * 77 + "\r\nUnsubscribe:")),
    ("header_fields", instead("List-Unsubscribe: <https", "List-Unsubscribe: =?utf-8?q?=3Chttps")),
    ("header_fields", instead("Auto-Submitted: auto-generated\r\n", "")),
    ("header_fields", instead("To: ", "Reply-To: a@b.example\r\nTo: ")),
    ("header_fields", instead("=One-Click", "=Two-Clicks")),
    ("subject", instead("Subject: ", "Subject: WOW!! ")),
]


def rules_broken(message: bytes) -> set[str]:
    return {re.sub(":.*", "", problem, flags=re.DOTALL) for problem in broken(message)}


@pytest.mark.parametrize(("rule", "change"), IN_HTML, ids=range(len(IN_HTML)))
def test_a_fault_in_the_html_is_noticed(rule: str, change: Change) -> None:
    letter = every_letter()[Kind.DIGEST]
    faulty = type(letter)(letter.subject, letter.text, change(letter.html))
    assert rule in rules_broken(compose(faulty, headers()))


@pytest.mark.parametrize(("rule", "change"), IN_TEXT, ids=range(len(IN_TEXT)))
def test_a_fault_in_the_text_is_noticed(rule: str, change: Change) -> None:
    letter = every_letter()[Kind.DIGEST]
    faulty = type(letter)(letter.subject, change(letter.text), letter.html)
    assert rule in rules_broken(compose(faulty, headers()))


@pytest.mark.parametrize(("rule", "change"), ON_THE_WIRE, ids=range(len(ON_THE_WIRE)))
def test_a_fault_on_the_wire_is_noticed(rule: str, change: Change) -> None:
    message = every_message()[Kind.DIGEST].decode("ascii")
    assert rule in rules_broken(change(message).encode())


def test_every_rule_has_a_fault_that_it_notices() -> None:
    assert {rule.__name__ for rule in RULES} == {rule for rule, _ in IN_HTML + IN_TEXT + ON_THE_WIRE}


def test_a_mail_is_read_back_as_it_was_written() -> None:
    letter, message = every_letter()[Kind.DIGEST], every_message()[Kind.DIGEST]
    mail = Mail(message)
    assert mail.subject == letter.subject
    assert mail.is_digest
    assert len(mail.body.all("h2")) == 10

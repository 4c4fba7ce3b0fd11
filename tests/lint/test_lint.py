"""Each of these messages has a single fault, and fails the rule for that fault only."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from digest.ledger.kinds import LISTED, Kind
from digest.lint import RULES, MailKind, ParsedMessage, lint
from digest.mail.compose.headers import message_bytes
from digest.mail.message import MessageParts
from tests.mail.builders import every_message, headers, parts_of_every_kind

Change = Callable[[str], str]
DOCS = Path(__file__).parents[2] / "docs" / "mail-rules.md"


def instead(old: str, new: str, count: int = 1) -> Change:
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, count)

    return change


def each(pattern: str, new: str) -> Change:
    def change(text: str) -> str:
        changed, count = re.subn(pattern, new, text)
        assert count
        return changed

    return change


def coloured_link_in_a_bare_cell(html: str) -> str:
    html = instead(';background-color:#1d4f91"><a ', '"><a ')(html)
    html = instead('style="display:block;padding', 'style="background-color:#1d4f91;display:block;padding')(html)
    return instead(".k{", ".k a{")(html)


def headings_as_paragraphs(html: str) -> str:
    return instead("<h2>", '<p style="line-height:1.5">', -1)(html).replace("</h2>", "</p>")


IMAGE = '<p style="line-height:1.5"><img src="https://papers.example.org/a.png" alt="Plot" width="20" height="10"></p>'
IN_HTML: list[tuple[str, Change]] = [
    ("doctype", instead("<!doctype html>", "")),
    ("language", instead('<html lang="en"', "<html")),
    ("language", instead('<html lang="en" dir="ltr"', '<html lang="English language" dir="ltr"')),
    ("language", instead(' dir="ltr"', "")),
    ("language", each('(<body [^>]*) lang="en"', r"\1")),
    ("language", each('(<body [^>]*)dir="ltr"', r'\1dir="auto"')),
    ("charset", instead('<meta charset="utf-8">', "")),
    ("charset", instead('<meta charset="utf-8">', "<!--" + "x" * 1024 + '--><meta charset="utf-8">')),
    ("metas", instead('<meta name="format-detection"', '<meta name="nothing"')),
    ("metas", instead('<meta name="viewport"', '<meta name="nothing"')),
    ("title", instead("</title>", " and more</title>")),
    ("title", each("<title>.*</title>", "")),
    (
        "preheader",
        instead('<div style="display:none"', '<p class="w" style="line-height:1.5">Hi</p><div style="display:none"'),
    ),
    ("preheader", each(r'(<div style="display:none">)[^<\u034f]*', r"\1Short")),
    ("preheader", each("\u034f.", "")),
    ("tables", instead('role="presentation" class="s"', 'class="s"')),
    ("tables", instead('<tr><td class="t"', '<tr><th style="line-height:1.5"></th></tr><tr><td class="t"')),
    ("column", instead("<!--[if mso]>", "<!--[if gone]>")),
    ("column", each("max-width: ?640px", "max-width:700px")),
    ("narrow", instead("<h1", '<p style="line-height:1.5;width:400px">Wide</p><h1')),
    ("narrow", instead("<h1", '<p style="width:30em"></p><h1')),
    ("elements", instead("<h1", "<section></section><h1")),
    ("active", instead("<h1", "<script>alert(1)</script><h1")),
    ("active", instead("<h1", '<svg width="1"></svg><h1')),
    ("active", instead("<p ", '<p onclick="x" ')),
    ("images", instead("<h1", IMAGE.replace(' alt="Plot"', "") + "<h1")),
    ("images", instead("<h1", IMAGE.replace("https://papers.example.org/a.png", "data:image/png;base64,AA==") + "<h1")),
    ("images", instead("<h1", IMAGE * 4 + "<h1")),
    ("size", instead("</h1>", "</h1><!--" + "padding " * 13_000 + "-->")),
    ("headings", instead("<h1", '<h1 style="font-size:28px">One</h1><h1')),
    ("headings", instead("</h1>", "</h1><h3>Skipped</h3>")),
    ("paragraphs", instead("</h1>", "</h1><br><br>")),
    ("style-element", instead("@media", "/* why */ @media")),
    ("style-element", instead("@media", "@import 'https://fonts.example.org/a.css'; @media")),
    ("style-element", instead("@media", ".long { margin: 0 } " * 400 + "@media")),
    ("css", instead('style="', 'style="float:left;')),
    ("css", instead('style="', 'style="display:flex;')),
    ("css", instead('style="', 'style="margin:2rem;')),
    ("hex-colours", each("#1f1f1c", "rgb(31, 31, 28)")),
    ("hex-colours", instead('class="s"', 'class="s" bgcolor="ivory"')),
    ("soft-colours", each("background-color: ?#fdfcf9", "background-color:#ffffff")),
    ("soft-colours", each("#1f1f1c", "#000000")),
    ("fonts", each(", ?sans-serif", "")),
    ("fonts", instead("Segoe UI", "&quot;Segoe UI&quot;")),
    ("text-size", each("font-size: ?14px", "font-size:13px")),
    (
        "text-size",
        instead("<h1", '<div style="font:10px/1.5 serif"><p style="font-size:inherit">S</p></div><h1'),
    ),
    ("zoom", instead("initial-scale=1", "initial-scale=1, maximum-scale=1")),
    ("zoom", instead("initial-scale=1", "initial-scale=1, user-scalable=no")),
    ("line-height", instead("<p>A sorting", '<p style="line-height:1.1">A sorting')),
    ("line-height", each("20px/1.35 ", "20px/1 ")),
    ("line-height", instead("<h1", '<div style="line-height:150%"><p style="font-size:20px">Tight</p></div><h1')),
    ("justified", instead("text-align:left", "text-align:justify")),
    ("justified", instead("<h1", '<div align="justify"><p style="line-height:1.5">Even</p></div><h1')),
    ("contrast", each("(style=[^>]*)color: ?#5c5951", r"\1color:#aaa69c")),
    ("contrast", instead("<h1", '<div style="color:#aaa69c;line-height:1.5"><p>Faint by inheritance</p></div><h1')),
    (
        "contrast",
        instead("<h1", '<p style="color:#aaa69c"><a href="mailto:a@b.c" style="color:inherit">Faint</a></p><h1'),
    ),
    ("dark-contrast", each(r"(?<=\.b,\.f\{color:)#\w+", "#3a3d42")),
    ("dark-mode", instead('name="color-scheme"', 'name="nothing"')),
    ("dark-mode", instead(":root", ".root")),
    ("dark-mode", instead("border-color:#3a3d42!important", "border-color:#3a3d42")),
    (
        "https",
        instead("<h1", '<p style="line-height:1.5"><a href="#top" style="color:#1d4f91">Back to the top</a></p><h1'),
    ),
    ("link-words", each(">arXiv PDF<", ">PDF<")),
    ("link-words", each(">arXiv PDF<", "><")),
    ("link-words", each(">arXiv PDF<", ">Please click here!<")),
    ("link-words", each(">arXiv PDF<", ">https://arxiv.org/pdf/2611.00003<")),
    ("link-words", each(">arXiv PDF<", ">点击这里<")),
    ("link-marks", instead("a{color:#1d4f91", "a{color:#1d4f91;text-decoration:none")),
    ("link-marks", instead("a{color:#1d4f91", "a{color:#1d4f91;border-bottom:0 solid #1d4f91;text-decoration:none")),
    (
        "link-marks",
        each("(<h2[^>]*>)(<a [^>]*>)Paper ", r"\1Paper \2"),
    ),
    ("targets", each("line-height: ?26px", "line-height:20px")),
    ("buttons", each("padding: ?12px 24px", "padding:2px 24px")),
    ("buttons", coloured_link_in_a_bare_cell),
    ("tracking", instead("<h1", '<img src="https://papers.example.org/o.png" alt="" width="1" height="1"><h1')),
    (
        "reason",
        instead("You’re receiving this at reader@example.com because you subscribed to Daily Papers", "Good morning"),
    ),
    ("ways-out", instead(">Preferences<", ">Wishes<")),
    ("ways-out", each(">View in browser<", ">All of it<")),
    ("direction", instead("<p>A sorting", "<p>مقالة A sorting")),
    ("direction", instead("<h1", '<p style="line-height:1.5">مقالة</p><h1')),
    ("item-headings", headings_as_paragraphs),
]
IN_TEXT: list[tuple[str, Change]] = [
    ("text-width", instead("\n\n", "\n" + "wide " * 20 + "\n")),
    ("text-left-over", instead("\n\n", "\nfish &amp; chips\n")),
    ("text-left-over", instead("\n\n", "\n<b>Bold</b>\n")),
    ("text-left-over", instead("\n\n", "\n$x^2$ and \\alpha\n")),
    ("text-links", instead("https://arxiv.org/pdf/2611.00003", "https://arxiv.org/pdf/2611.00099")),
    ("text-links", instead("https://github.com/example/sort1\n", "")),
    ("text-items", instead("Paper 3: ", "Paper three: ")),
    ("reason", instead("reader@example.com", "you")),
]
IN_SUBJECT = [
    ("subject-length", "A subject of 23 Nov that goes on and on until no phone shows all of it"),
    ("subject-calm", "WOW!! 23 Nov"),
    ("subject-calm", "READ THESE PAPERS NOW OR NEVER, 23 Nov"),
    ("subject-calm", "23 PAPERS TODAY"),
    ("subject-calm", "💸 10 papers"),
    ("subject-content", "Daily Papers: ten of 23 Nov"),
    ("subject-dated", "Papers that matter"),
]
IN_BYTES: list[tuple[str, Change]] = [
    ("line-endings", instead("\r\n", "\n")),
    ("line-endings", instead("\r\nUnsubscribe:", "\r\n\rUnsubscribe:")),
    ("header-ascii", instead("Reply-To: Ed", "Reply-To: éd")),
    ("header-lines", instead("From: ", "X-Long: " + "x" * 1000 + "\r\nFrom: ")),
    ("header-lines", instead("From: ", "X-Note: one\r\n \r\n two\r\nFrom: ")),
    ("header-once", instead("To: ", "To: reader@example.com\r\nTo: ")),
    ("encoded-words", instead("From: Daily", "From: =?utf-8?b?w6k=?==?utf-8?b?w6k=?= Daily")),
    ("encoded-words", instead("From: Daily", "From: =?utf-8?b?" + "w6k=" * 18 + "?=\r\n Daily")),
    ("encoded-words", instead("From: Daily", "From: =?utf-8?b?" + "w6k=" * 14 + "?= Daily Papers")),
    ("body-lines", instead("\r\nUnsubscribe:", "\r\n" + "x y" * 26 + "\r\nUnsubscribe:")),
    ("from", each("From: Daily Papers <(.*)>", r"From: \1")),
    ("from", instead("From: Daily", "From: a@papers.example.org, Daily")),
    ("reply-to", each("Reply-To: .*\r\n", "")),
    ("reply-to", instead("hello@example.org", "noreply@example.org")),
    ("one-recipient", instead("To: reader@example.com", "To: reader@example.com, other@example.com")),
    ("one-recipient", instead("To: ", "Cc: other@example.com\r\nTo: ")),
    ("date", each("Date: .*\r\n", "")),
    ("date", instead(" +0000", "")),
    ("message-id", each("Message-ID: .*\r\n", "")),
    ("message-id", each("(Message-ID: .*@).*>", r"\1elsewhere.example>")),
    ("auto-submitted", instead("Auto-Submitted: auto-generated\r\n", "")),
    ("list-id", instead("<digest.papers.example.org>", "Daily Papers")),
    ("list-archive", each("List-Archive: .*\r\n", "")),
    ("unsubscribe", each("List-Unsubscribe: .*\r\n", "")),
    ("unsubscribe", instead("List-Unsubscribe: <https", "List-Unsubscribe: =?utf-8?q?=3Chttps")),
    ("unsubscribe", each("List-Unsubscribe: <.*>", "List-Unsubscribe: <mailto:leave@papers.example.org>")),
    ("unsubscribe", each("List-Unsubscribe: <(.*)>", r"List-Unsubscribe: \1")),
    ("one-click", instead("=One-Click", "=Two-Clicks")),
    ("feedback-id", each("Feedback-ID: .*\r\n", "")),
    ("text-part", instead("Content-Type: text/plain", "Content-Type: text/x-plain")),
]


def parts_of_a_digest() -> MessageParts:
    return parts_of_every_kind()[Kind.DIGEST]


def failed(parts: MessageParts) -> list[str]:
    unsubscribe_url = ParsedMessage(every_message()[Kind.DIGEST]).unsubscribe_urls[0]
    return lint(message_bytes(parts, headers(unsubscribe_url=unsubscribe_url))).failed


@pytest.mark.parametrize(("rule", "change"), IN_HTML, ids=lambda value: value if isinstance(value, str) else "")
def test_a_fault_in_the_html_breaks_its_rule_alone(rule: str, change: Change) -> None:
    parts = parts_of_a_digest()
    assert failed(replace(parts, html=change(parts.html))) == [rule]


@pytest.mark.parametrize(("rule", "change"), IN_TEXT, ids=lambda value: value if isinstance(value, str) else "")
def test_a_fault_in_the_text_breaks_its_rule_alone(rule: str, change: Change) -> None:
    parts = parts_of_a_digest()
    assert failed(replace(parts, text=change(parts.text))) == [rule]


@pytest.mark.parametrize(("rule", "subject"), IN_SUBJECT)
def test_a_fault_in_the_subject_breaks_its_rule_alone(rule: str, subject: str) -> None:
    parts = parts_of_a_digest()
    changed = replace(parts, subject=subject, html=parts.html.replace(parts.subject, subject))
    assert failed(changed) == [rule]


@pytest.mark.parametrize(("rule", "change"), IN_BYTES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_fault_in_the_bytes_breaks_its_rule_alone(rule: str, change: Change) -> None:
    message = every_message()[Kind.DIGEST].decode("ascii")
    assert lint(change(message).encode()).failed == [rule]


@pytest.mark.parametrize(
    ("rule", "url"),
    [
        ("https", "http://github.com/example/sort1"),
        ("tracking", "https://github.com/example/sort1?utm_source=digest"),
        ("tracking", "https://bit.ly/sort1"),
    ],
)
def test_a_fault_in_a_link_breaks_its_rule_alone(rule: str, url: str) -> None:
    parts = parts_of_a_digest()
    html, text = (instead("https://github.com/example/sort1", url)(part) for part in (parts.html, parts.text))
    assert failed(replace(parts, html=html, text=text)) == [rule]


def test_every_rule_has_a_fault_that_it_notices() -> None:
    assert {rule.id for rule in RULES} == {rule for rule, _ in (*IN_HTML, *IN_TEXT, *IN_SUBJECT, *IN_BYTES)}


@pytest.mark.parametrize("kind", list(Kind))
def test_every_message_of_digest_passes_every_rule(kind: Kind) -> None:
    report = lint(every_message()[kind])
    assert report.failed == []
    assert report.passed == report.of
    assert report.kind is (MailKind.BULK if kind in LISTED else MailKind.TRANSACTIONAL)


def test_a_newsletter_without_list_headers_is_checked_as_bulk() -> None:
    message = every_message()[Kind.DIGEST].decode("ascii")
    bare = re.sub(r"(List-Id|Precedence): .*\r\n", "", message).encode()
    assert lint(bare).kind is MailKind.BULK
    assert lint(bare).failed == ["list-id"]


def test_a_message_of_plain_text_is_checked_by_the_rules_for_text() -> None:
    head = (
        b"From: Ada <ada@example.org>\r\nReply-To: ada@example.org\r\nTo: bo@example.org\r\nSubject: Your link\r\n"
        b"Date: Mon, 23 Nov 2026 07:00:00 +0000\r\nMessage-ID: <1@example.org>\r\nAuto-Submitted: auto-generated\r\n"
        b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    report = lint(head + b"https://example.org/here\r\n")
    assert (report.kind, report.failed) == (MailKind.TRANSACTIONAL, [])
    assert lint(head + b"\r\n").failed == ["text-part"]


@pytest.mark.parametrize(
    "junk",
    [
        b"",
        b"\r\n\r\n",
        b"\xff\xfe\0",
        b"Content-Type: text/html; charset=nonsense\r\n\r\n<p style='color:'>\xff<a href>",
        b"Content-Type: multipart/alternative\r\n\r\n",
        b"Subject: =?utf-8?b?w6k?=\r\n\r\n",
        b"Subject: =?x?q?=ZZ?=\r\nFrom: <<>>\r\nTo: ,\r\nDate: 9\r\n\r\n",
        b"Content-Type: text/html\r\n\r\n<style>@media{p{</style><div><div " + b"<b>" * 5000,
        b"Content-Type: text/html\r\n\r\n<a href='http://[x' style='padding:;font:1px/'>x</a><img width=''>",
    ],
    ids=range(9),
)
def test_any_bytes_can_be_checked(junk: bytes) -> None:
    assert lint(junk).failed


def test_the_page_lists_the_rules_as_they_are() -> None:
    page = DOCS.read_text(encoding="utf-8")
    listed = re.findall(r"^\| `([a-z-]+)` \| (.+?) \| (.+?) \| (.+?) \|$", page, re.MULTILINE)
    assert listed == [(rule.id, rule.kinds_in_words, str(rule.part), f"{rule.states} {rule.remedy}") for rule in RULES]


def test_a_message_is_parsed_as_it_was_written() -> None:
    parts, message = parts_of_a_digest(), every_message()[Kind.DIGEST]
    parsed = ParsedMessage(message)
    assert parsed.subject == parts.subject
    assert parsed.text == parts.text
    assert len(parsed.body.all("h2")) == 10

"""Rendered messages: their texts, and the rules that keep them readable everywhere."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from digest.issues.selection import Pick, Selection
from digest.ledger.kinds import Kind
from digest.lint import Element, ParsedMessage, parse
from digest.mail.message import UnfitMessage
from digest.papers.paper import Paper
from digest.papers.score_terms import ScoreTerms
from tests.mail import builders
from tests.mail.builders import (
    BRANDING,
    LANGUAGES,
    LINKS,
    RENDERER,
    a_composer,
    a_digest,
    a_draft,
    a_paper,
    an_issue,
    digest_bytes,
    every_message,
    everything_in,
    parts_of,
    parts_of_every_kind,
)
from tests.mail.rules import broken

HOSTILE = (
    "<script>alert(1)</script>",
    "{{7*7}} {% include '/etc/passwd' %}",
    "\u202egnp.exe\u2066 reversed",
    "five " * 1000,
    "x" * 5000,
    "NUL\0 and \x1b[31m and \x85 and \ud800 alone",
    'quote" onmouseover="alert(1)',
    "</style></title><img src=x onerror=alert(1)>",
    "line one\r\nBcc: x@y\r\n\r\nbody",
    "=?UTF-8?Q?=0A?=Bcc: x@y",
    "日本語の題名" * 100,
    "مقالة عن اللغات",
    "🤗🤗🤗 Emoji & ampersands &lt;b&gt;",
    "WOW!!! ALL CAPS???",
    "",
    "\u200b",
)


def words(element: Element) -> str:
    return " ".join(part.words for part in element.everything()).replace("\u00a0", " ")


@pytest.mark.parametrize("code", LANGUAGES.codes)
@pytest.mark.parametrize("kind", list(Kind))
def test_every_mail_keeps_every_rule(kind: Kind, code: str) -> None:
    assert broken(every_message(code)[kind]) == []


@pytest.mark.parametrize("code", LANGUAGES.codes)
@pytest.mark.parametrize("title", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_every_field_breaks_no_rule_and_stays_text(title: str, code: str) -> None:
    hostile = a_paper(1, title=title, summary=title, organization=title, authors=(title,) * 5)
    message = digest_bytes([hostile, a_paper(2)], note=title, language=code)
    found = [problem for problem in broken(message) if not problem.startswith(("text-left-over", "addresses"))]
    assert found == []
    parts = parts_of(message)
    assert "49" not in parts.html + parts.text
    assert not re.search("[\u202a-\u202e\u2066-\u2069\0\x1b\x85]", parts.html + parts.text + parts.subject)


def test_markup_in_a_title_is_shown_as_it_was_written() -> None:
    parts = a_digest([a_paper(title="Why <b> & {{7*7}} matter")])
    shown = [words(h2) for h2 in parse(parts.html).all("h2")]
    assert shown == [" Why <b> & {{7*7}} matter"]
    assert "Why <b> & {{7*7}} matter" in parts.text
    assert parts.subject == "Why <b> & {{7*7}} matter, 23 Nov"


def test_links_of_sources_that_are_not_plain_https_are_left_out() -> None:
    bad = (
        "javascript:alert(1)",
        "http://plain.example",
        'https://a.example/"x',
        "https://a.example/\nb",
        "https://é.example",
    )
    papers = [a_paper(n, url=url, code_url=url, project_url=url) for n, url in enumerate(bad, start=1)]
    message = digest_bytes(papers)
    allowed = ("https://arxiv.org/", "https://papers.example.org/")
    assert all(link.startswith(allowed) for link in ParsedMessage(message).web_links)


def test_a_card_shows_what_is_known_of_its_paper() -> None:
    message = digest_bytes([a_paper(authors=("Ada", "Bo", "Chi", "Dee", "Eve"))])
    parts = parts_of(message)
    for shown in (words(parse(parts.html).all("body")[0]), parts.text):
        assert "Ada, Bo, Chi and 2 more (Institute of Examples)" in shown
        assert "▲ 142 votes · 3 comments" in shown
        assert "Top of today’s ranking" in shown
    links = ["https://arxiv.org/abs/2611.00001", "https://arxiv.org/pdf/2611.00001", "https://github.com/example/sort1"]
    found = [link for link in ParsedMessage(message).web_links if "2611" in link or "github" in link]
    assert found[:-1] == links
    assert found[-1].startswith("https://papers.example.org/feedback/")
    assert found[-1].endswith("/papers/2611.00001")


def test_a_card_links_to_hacker_news_only_where_its_stories_have_points() -> None:
    issue = an_issue([a_paper(1), a_paper(2)])
    first = replace(issue.papers[0], terms=ScoreTerms(upvotes=5.0, hackernews=40.0))
    issue = replace(issue, papers=(first, issue.papers[1]))
    links = ParsedMessage(a_composer(issue).compose(a_draft(issue, everything_in(issue))).envelope.message).web_links
    assert [link for link in links if "hn.algolia" in link] == ["https://hn.algolia.com/?query=2611.00001"]


def test_a_card_of_a_bare_paper_has_no_empty_lines_or_links() -> None:
    issue = an_issue([Paper(id="elsewhere:7/ä?", title="Bare")])
    bare = replace(issue.papers[0], terms=ScoreTerms())
    card = RENDERER.card(bare, BRANDING)
    page = "https://papers.example.org/papers/elsewhere:7/%C3%A4%3F"
    assert f"new today\nBare\n{page}\n\nMore or less like this:\n" in card.text
    assert "<p></p>" not in card.html
    assert "vote" not in card.html


def test_a_long_abstract_ends_at_a_sentence_or_a_word_with_an_ellipsis() -> None:
    sentence = "Some words are not words. "
    by_sentence = a_digest([a_paper(summary="", abstract=sentence * 20)])
    by_word = a_digest([a_paper(summary="", abstract="unbroken flow " * 50)])
    excerpt = next(words(p) for p in parse(by_sentence.html).all("p") if "Some words" in words(p))
    assert excerpt == (sentence * 9) + "…"
    excerpt = next(words(p) for p in parse(by_word.html).all("p") if "flow" in words(p))
    assert excerpt.endswith(("unbroken…", "flow…"))
    assert 220 < len(excerpt) <= 240


def test_a_summary_is_preferred_to_the_abstract() -> None:
    parts = a_digest([a_paper(summary="In short.", abstract="At length.")])
    assert "In short." in parts.text
    assert "At length." not in parts.text + parts.html


def test_the_picks_decide_which_papers_come_in_which_order() -> None:
    issue = an_issue([a_paper(number) for number in range(1, 6)])
    selection = Selection((Pick("2611.00004", "you like it"), Pick("2611.00002", "")))
    parts = parts_of(a_composer(issue).compose(a_draft(issue, selection)).envelope.message)
    assert [words(h2)[:9].strip() for h2 in parse(parts.html).all("h2")] == ["Paper 4:", "Paper 2:"]
    assert re.findall(r"^Paper \d", parts.text, re.MULTILINE) == ["Paper 4", "Paper 2"]
    assert parts.subject == "Paper 4 and Paper 2, 23 Nov"


def test_the_mail_says_why_it_is_short() -> None:
    parts = a_digest([a_paper()], note="Only one source answered today.", left_out=12)
    for shown in (words(parse(parts.html).all("body")[0]), parts.text):
        assert "Only one source answered today." in shown
        assert "We left out 12 papers you’d already received." in shown
    usual = a_digest([a_paper()])
    assert "left out" not in usual.html + usual.text


def test_the_mail_says_that_the_issue_holds_more() -> None:
    issue = an_issue([a_paper(number) for number in range(1, 31)])
    some = Selection(tuple(Pick(place.paper.id, "") for place in issue.papers[:10]), left_out=5)
    all_new = Selection(some.picks, left_out=20)
    for selection, said in ((some, True), (all_new, False)):
        parts = parts_of(a_composer(issue).compose(a_draft(issue, selection)).envelope.message)
        for shown in (words(parse(parts.html).all("body")[0]), parts.text):
            assert ("10 of 30 papers, chosen for you" in shown) is said


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        (ScoreTerms(upvotes=1.0), "▲ 1 vote"),
        (ScoreTerms(upvotes=31.0, gained=12.0, comments=2.0), "▲ 31 votes, +12 since yesterday · 2 comments"),
        (ScoreTerms(upvotes=31.0, gained=0.0, stars=1350.0), "Code ★ 1,350:"),
        (ScoreTerms(upvotes=0.0, comments=1.0), "1 comment"),
    ],
)
def test_votes_are_told_with_their_movement(terms: ScoreTerms, said: str) -> None:
    ranked = replace(an_issue([a_paper()]).papers[0], terms=terms)
    card = RENDERER.card(ranked, BRANDING)
    assert f"\n{said}\n" in card.text
    assert said.removesuffix(":") in re.sub("</?a[^>]*>", "", card.html)


def test_a_digest_without_papers_is_not_made() -> None:
    issue = an_issue([a_paper()])
    with pytest.raises(UnfitMessage, match="without papers"):
        a_composer(issue).compose(a_draft(issue, Selection(())))


def test_the_confirmation_is_minimal_and_says_what_silence_does() -> None:
    parts = parts_of_every_kind()[Kind.CONFIRMATION]
    for said in ("72 hours", "If this wasn’t you, ignore this email and you won’t be subscribed."):
        assert said in parts.html
        assert said in parts.text
    assert LINKS.confirm_url in parts.text
    assert LINKS.manage_url not in parts.text + parts.html


def test_postal_address_and_contact_are_shown_only_where_set() -> None:
    bare = RENDERER.render(Kind.LINK, LINKS, replace(BRANDING, postal_address="", contact=""))
    assert "Questions" not in bare.html + bare.text
    full = parts_of_every_kind()[Kind.LINK]
    for part in (full.html, full.text):
        assert "Example Lab, 1 Long Street, 12345 Town" in part
        assert "hello@example.org" in part


@pytest.mark.parametrize("code", LANGUAGES.codes)
def test_ten_papers_stay_small_and_twenty_five_of_the_longest_are_not_clipped(code: str) -> None:
    ten = ParsedMessage(every_message(code)[Kind.DIGEST])
    assert len(ten.html_on_the_wire) <= 60_000
    for letter_of_alphabet in ("a", "語", "🤗", "&", "="):
        said = (letter_of_alphabet * 9 + " ") * 200
        link = "https://code.example/" + "=" * 150
        papers = [
            a_paper(n, title=said, abstract=said, summary="", organization=said, authors=(said,) * 9, code_url=link)
            for n in range(1, 26)
        ]
        assert len(ParsedMessage(digest_bytes(papers, language=code)).html_on_the_wire) <= 100_000


def test_another_process_renders_the_same_bytes() -> None:
    program = (
        "import sys; from tests.mail import builders\n"
        "sys.stdout.buffer.write(b''.join(builders.every_message().values()))"
    )
    root = Path(builders.__file__).parents[2]
    other = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONPATH": str(root)},
    )
    assert other.stdout == b"".join(every_message().values())


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("Qwen9: A Report", "Qwen9 and Paper 2, 23 Nov"),
        ("🤗 Smol: Tiny!!! Models", "Smol and Paper 2, 23 Nov"),
        ("A: B", "A: B and Paper 2, 23 Nov"),
        ("Words " * 30, "Words Words Words Words Words Words… and 1 more"),
        ("🤗🤗", "Untitled and Paper 2, 23 Nov"),
        ("", "Untitled and Paper 2, 23 Nov"),
    ],
)
def test_the_subject_begins_with_the_first_paper(title: str, subject: str) -> None:
    assert a_digest([a_paper(1, title=title), a_paper(2)]).subject == subject


def test_everything_in_an_issue_of_one_paper_is_one_paper() -> None:
    issue = an_issue([a_paper()])
    parts = parts_of(a_composer(issue).compose(a_draft(issue, everything_in(issue))).envelope.message)
    assert "Issue of Monday, 23 November 2026\n1 paper\n" in parts.text
    assert parts.subject == "Paper 1, 23 Nov"


def test_no_line_of_a_chinese_heading_can_be_a_single_character() -> None:
    html = ParsedMessage(digest_bytes([a_paper()], language="zh-CN")).html
    (heading,) = re.findall(r"<h1[^>]*>(.*)</h1>", html)
    unbroken = re.findall(r'<span style="white-space:nowrap">([^<]*)</span>', heading)
    assert unbroken == ["2026年11月23日", "星期一\u00a0刊"]


def test_a_chinese_note_has_as_many_characters_as_an_english_one() -> None:
    note = "今天只有一个来源有回应，其余论文会在以后的邮件中出现。" * 5
    issue = an_issue([a_paper()])
    issue = replace(issue, settings=replace(issue.settings, notes={"zh-CN": note}))
    parts = parts_of(a_composer(issue, language="zh-CN").compose(a_draft(issue, everything_in(issue))).envelope.message)
    assert note in parts.html
    assert note in parts.text.replace("\n", "")

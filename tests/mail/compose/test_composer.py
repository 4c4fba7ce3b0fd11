"""Joining fragments gives the same message as rendering it alone, whatever has changed since."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.issues.selection import Pick, Selection
from digest.language import SOURCE
from digest.lint import ParsedMessage, lint
from digest.mail.compose.composer import IssueComposer, compose_alone, render_fragments
from digest.mail.compose.context import MailContext
from digest.mail.compose.fragments import Fragments
from digest.mail.compose.further_cards import FurtherCards
from digest.mail.compose.render import Renderer, SubscriberLinks
from digest.mail.message import Branding, UnfitMessage
from digest.papers.score_terms import ScoreTerms
from digest.subscribers.tokens import Purpose, sign, verify
from tests.mail.builders import (
    BRANDING,
    CONTEXT,
    LANGUAGES,
    RENDERER,
    SECRET,
    TEMPLATES,
    a_composer,
    a_draft,
    a_paper,
    an_issue,
    everything_in,
    parts_of,
)
from tests.mail.compose.rfc_parser import an_ed25519_signer, an_rsa_signer, holds
from tests.mail.compose.scratch import from_scratch, shown
from tests.mail.hostile import ATTACKS, titles
from tests.mail.rules import broken

ADDRESSES = (
    "reader@example.com",
    "a=b+c@x.org",
    ".starts@example.com",
    "o'neill&sons@example.com",
    "{user}|x#y!z$%^*?/`~-@example.com",
    "=3D=0D=0A@example.com",
    "From@example.com",
    "x" * 64 + "@" + "long." * 35 + "example",
)
WHYS = (
    "",
    "you follow graph learning",
    "matches your keyword “attention”",
    "matches your keyword “<b>&\"='”",
    "matches your keyword “日本語”",
    "matches your keyword “" + "🤗" * 40 + "”",
    "matches your keyword “" + "& " * 100 + "”",
    *ATTACKS,
)
PAPERS = [
    a_paper(number, title=title, summary=title, authors=(title, "Ada"), organization=title)
    for number, title in enumerate(["A", "A paper", "🤗 Smol: Tiny!!! Models", *titles()], start=1)
]
ISSUE = an_issue(PAPERS, best=len(PAPERS) // 2)
IDS = [paper.id for paper in PAPERS]
SELECTIONS = st.builds(
    lambda ids, whys, left_out, first, since: Selection(
        tuple(Pick(*pick) for pick in zip(ids, whys, strict=False)), left_out, first=first, since=since
    ),
    st.lists(st.sampled_from(IDS), min_size=1, max_size=25, unique=True),
    st.lists(st.sampled_from(WHYS), min_size=25, max_size=25),
    st.sampled_from([0, 0, 1, 2, 1234]),
    st.booleans(),
    st.sampled_from([None, None, date(2026, 11, 22), date(2026, 11, 20), date(2026, 11, 2)]),
)


@cache
def composer(code: str = SOURCE) -> IssueComposer:
    """In a run of several processes most of them need none."""
    return a_composer(ISSUE, language=code)


def links(address: str, number: int, branding: Branding = BRANDING) -> SubscriberLinks:
    at = datetime(2026, 11, 23, 7, tzinfo=UTC)
    return SubscriberLinks(
        address,
        f"{branding.public_url}/preferences/{sign(Purpose.MANAGE, number, at, [SECRET])}",
        f"{branding.public_url}/u/{sign(Purpose.UNSUBSCRIBE, number, at, [SECRET])}",
        feedback_url=f"{branding.public_url}/feedback/{sign(Purpose.FEEDBACK, number, at, [SECRET])}",
    )


@given(SELECTIONS, st.sampled_from(ADDRESSES), st.integers(1, 2**32 - 1), st.sampled_from(LANGUAGES.codes))
def test_a_joined_mail_is_what_rendering_it_for_one_reader_would_give(
    selection: Selection, address: str, number: int, code: str
) -> None:
    message = composer(code).compose(a_draft(ISSUE, selection, number, address)).envelope.message
    expected, _ = from_scratch(RENDERER.speaking(code), ISSUE, selection, links(address, number), BRANDING)
    joined = parts_of(message)
    assert joined.text == expected.text
    assert shown(joined.html) == shown(expected.html)
    assert joined.subject == expected.subject
    mail = ParsedMessage(message)
    assert mail.parsed["To"] == address
    assert mail.parsed["List-Unsubscribe"] == f"<{links(address, number).unsubscribe_url}>"


@pytest.mark.parametrize("url", ["https://p.example/a&b", "https://" + "long." * 8 + "example/" + "x" * 43 + "/y" * 20])
@pytest.mark.parametrize("address", ADDRESSES)
def test_unusual_public_urls_and_addresses_break_no_rule(url: str, address: str) -> None:
    branding = replace(BRANDING, public_url=url)
    context = replace(CONTEXT, branding=branding)
    issue = an_issue([a_paper(number) for number in range(1, 4)], context=context)
    selection = everything_in(issue)
    message = a_composer(issue, context).compose(a_draft(issue, selection, 7, address)).envelope.message
    expected, preheader = from_scratch(RENDERER, issue, selection, links(address, 7, branding), branding)
    assert parts_of(message).text == expected.text
    assert shown(parts_of(message).html) == shown(expected.html)
    assert [found for found in broken(message) if "columns" not in found] == []
    assert preheader in expected.html


@pytest.mark.parametrize("papers", [1, 2, 25])
@pytest.mark.parametrize("left_out", [0, 1, 5])
@pytest.mark.parametrize("first", [False, True])
def test_every_form_keeps_every_rule(papers: int, left_out: int, first: bool) -> None:
    issue = an_issue([a_paper(number) for number in range(1, papers + 1)], best=8)
    since = None if first else issue.date - timedelta(days=papers)
    selection = replace(everything_in(issue, left_out), first=first, since=since)
    message = a_composer(issue).compose(a_draft(issue, selection)).envelope.message
    assert broken(message) == []
    assert lint(message).failed == []
    text = parts_of(message).text
    assert ("This is your first issue" in text) == first
    assert ("We didn’t email you" in text) != first
    assert f"{papers} paper{'s' * (papers > 1)}" in text
    assert ("left out" in text) == bool(left_out)


EVERYTHING = ScoreTerms(upvotes=12345.0, gained=1234.0, comments=1234.0, stars=123456.0)


@pytest.mark.parametrize("code", LANGUAGES.codes)
@pytest.mark.parametrize("repeated", [*(parts * 9 + " " for parts in "a語🤗é&='\"<"), "é", "a/", "a/bbbbbbbbbbbbbb"])
def test_the_largest_mail_with_the_longest_reasons_is_not_clipped(repeated: str, code: str) -> None:
    said = repeated * 200
    links = {name: f"https://code.example/{name}".ljust(53, "=") for name in ("url", "code_url", "project_url")}
    papers = [
        a_paper(n, title=said, abstract=said, summary="", organization=said, authors=(said,) * 9, **links)
        for n in range(1, 26)
    ]
    issue = an_issue(papers, note=said)
    late = tuple(replace(one, terms=EVERYTHING, late_days=12) for one in issue.papers)
    issue = replace(issue, papers=late)
    chosen = Selection(tuple(Pick(paper.id, said) for paper in papers), 1000, since=date(2026, 10, 30))
    message = a_composer(issue, language=code).compose(a_draft(issue, chosen, address="=" * 240 + "@a.example"))
    mail = ParsedMessage(message.envelope.message)
    assert len(mail.html_on_the_wire) <= 98_500  # of 100,000; the operator's own words take the rest
    assert {links["url"], links["code_url"]} <= set(mail.web_links)


def test_each_readers_links_are_their_own() -> None:
    selection = Selection((Pick(IDS[0], ""),))
    for number in (1, 2, 2**32 - 1):
        mail = ParsedMessage(
            composer().compose(a_draft(ISSUE, selection, number, f"reader{number}@example.com")).envelope.message
        )
        tokens = set(re.findall(r"/(?:u|preferences|feedback)/([\w-]{32})\b", " ".join(mail.web_links)))
        opened = {
            (purpose, verified and verified.subscriber_id)
            for token in tokens
            for purpose in Purpose
            for verified in [verify(purpose, token, [SECRET])]
        }
        assert opened == {(Purpose.MANAGE, number), (Purpose.UNSUBSCRIBE, number), (Purpose.CONFIRM, None),
                          (Purpose.FEEDBACK, number), (Purpose.FEEDBACK, None), (Purpose.FRESH, None),
                          (Purpose.MANAGE, None), (Purpose.UNSUBSCRIBE, None), (Purpose.FEED, None),
                          (Purpose.LIST, None), (Purpose.OLD_ADDRESS, None), (Purpose.NEW_ADDRESS, None)}  # fmt: skip


# --- what cannot be made ---


def poisoned(folder: Path) -> MailContext:
    """Templates that fail over one title."""
    shutil.copytree(TEMPLATES, folder)
    card = folder / "email" / "digest" / "card.html"
    card.write_text('{% if title == "Poison" %}{{ 1 // 0 }}{% endif %}' + card.read_text(encoding="utf-8"), "utf-8")
    return replace(CONTEXT, renderer=Renderer(folder))


def test_a_paper_whose_card_cannot_be_made_harms_no_other(tmp_path: Path) -> None:
    context = poisoned(tmp_path / "templates")
    papers = [a_paper(1), a_paper(2, title="Poison"), a_paper(3), a_paper(4, title="lone \ud800 surrogate")]
    issue = an_issue([*papers, a_paper(5, title="Poison")], best=4)
    fragments = render_fragments(issue, context)
    assert set(fragments.cards) == {"2611.00001", "2611.00003", "2611.00004"}
    assert fragments.unfit == {"2611.00002": "ZeroDivisionError: integer division or modulo by zero"}
    further = FurtherCards(issue, context.renderer)
    composer = IssueComposer(issue, Fragments.from_json(fragments.to_json()), context, further)
    assert composer.compose(a_draft(issue, Selection((Pick("2611.00001", ""), Pick("2611.00003", "")))))
    for ids in (["2611.00002"], ["2611.00001", "2611.00002"], ["2611.00005"], ["2611.00003", "2611.00005"]):
        with pytest.raises(UnfitMessage, match=rf"no card of {ids[-1]}: ZeroDivisionError"):
            composer.compose(a_draft(issue, Selection(tuple(Pick(one, "") for one in ids))))


@pytest.mark.parametrize(
    ("address", "selection"),
    [
        ("two@example.com, three@example.com", everything_in(ISSUE)),
        ("a@example.com\r\nBcc: b@example.com", everything_in(ISSUE)),
        ("josé@example.com", everything_in(ISSUE)),
        ("x" * 250 + "@example.com", everything_in(ISSUE)),
        ("reader@example.com", Selection(())),
        ("reader@example.com", None),
        ("reader@example.com", Selection((Pick("of another issue", ""),))),
    ],
    ids=range(7),
)
def test_a_mail_that_cannot_be_made_says_so(address: str, selection: Selection | None) -> None:
    with pytest.raises(UnfitMessage):
        composer().compose(a_draft(ISSUE, selection, 1, address))


def test_a_press_writes_the_mails_of_its_issue_only() -> None:
    other = replace(ISSUE, id=2)
    with pytest.raises(UnfitMessage, match="another issue"):
        composer().compose(a_draft(other, everything_in(other)))


# --- the same mail, whatever has changed since ---


SIGNERS = (an_rsa_signer(), an_ed25519_signer())
SIGNING = replace(CONTEXT, signers=SIGNERS)
OF_TODAY = an_issue([a_paper(number) for number in range(1, 12)], context=SIGNING)
DRAFT = a_draft(OF_TODAY, Selection((Pick("2611.00003", "you follow “<&>”"), Pick("2611.00001", "")), 2))
STORED = render_fragments(OF_TODAY, SIGNING).to_json()
NEW_KEY = b"another key of at least thirty-two characters"


def edited(folder: Path) -> Renderer:
    shutil.copytree(TEMPLATES, folder)
    for file in (folder / "email").rglob("*.*"):
        file.write_text(re.sub("Unsubscribe|Why it is here|#1d4f91", "Changed", file.read_text("utf-8")), "utf-8")
    return Renderer(folder)


CHANGES: dict[str, Callable[[Path], MailContext]] = {
    "nothing": lambda folder: SIGNING,
    "templates": lambda folder: replace(SIGNING, renderer=edited(folder)),
    "public address": lambda folder: replace(
        SIGNING, branding=replace(BRANDING, public_url="https://new.example", title="New")
    ),
    "sender": lambda folder: replace(SIGNING, senders=replace(SIGNING.senders, bulk="new@new.example", reply_to="")),
    "link key": lambda folder: replace(SIGNING, link_keys=(NEW_KEY, SECRET)),
    "DKIM key": lambda folder: replace(SIGNING, signers=(an_rsa_signer("new"), an_ed25519_signer("newer"), *SIGNERS)),
    "order of DKIM keys": lambda folder: replace(SIGNING, signers=SIGNERS[::-1]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_retry_is_the_same_mail_byte_for_byte(change: str, tmp_path: Path) -> None:
    first = IssueComposer(OF_TODAY, Fragments.from_json(STORED), SIGNING).compose(DRAFT)
    context = CHANGES[change](tmp_path / "templates")
    again = IssueComposer(OF_TODAY, Fragments.from_json(STORED), context).compose(DRAFT)
    assert (again.sha256, again.message_id) == (first.sha256, first.message_id)
    assert again.envelope.message == first.envelope.message
    assert holds(first.envelope.message, SIGNERS, "papers.example.org")


def test_the_changes_would_show_in_the_mails_of_a_new_issue(tmp_path: Path) -> None:
    first = IssueComposer(OF_TODAY, Fragments.from_json(STORED), SIGNING).compose(DRAFT)
    for name, change in CHANGES.items():
        context = change(tmp_path / name)
        issue = an_issue([a_paper(number) for number in range(1, 12)], context=context)
        again = compose_alone(replace(DRAFT, issue=issue), context)
        assert (again.sha256 == first.sha256) == (name == "nothing"), name


@pytest.mark.parametrize(
    ("context", "said"),
    [
        (replace(SIGNING, link_keys=(NEW_KEY,)), "secret key that signs the links of this issue is no longer set"),
        (replace(SIGNING, signers=SIGNERS[:1]), "the DKIM key ed1 is no longer set"),
    ],
    ids=["link key", "DKIM key"],
)
def test_without_the_key_that_signed_it_a_mail_is_not_made(context: MailContext, said: str) -> None:
    with pytest.raises(UnfitMessage, match=said):
        IssueComposer(OF_TODAY, Fragments.from_json(STORED), context)


def test_fragments_are_plain_text_and_the_same_each_time() -> None:
    assert render_fragments(OF_TODAY, SIGNING).to_json() == STORED
    assert STORED.isascii()
    assert "\n" not in STORED
    assert Fragments.from_json(STORED).to_json() == STORED


def test_an_issue_that_an_earlier_version_cut_is_retried_with_the_links_that_it_had() -> None:
    issue = replace(OF_TODAY, settings=replace(OF_TODAY.settings, link_ends=""))
    old, new = (IssueComposer(each, Fragments.from_json(STORED), SIGNING) for each in (issue, OF_TODAY))
    differing = 0
    for number in range(1, 101):
        draft = a_draft(issue, DRAFT.selection, number)
        token = sign(Purpose.UNSUBSCRIBE, number, draft.delivery.created_at, [SECRET], any_end=True)
        message = old.compose(draft).envelope.message
        assert f"/u/{token}>".encode() in message
        differing += message != new.compose(draft).envelope.message
    assert 0 < differing < 30


def test_an_issue_of_an_earlier_version_is_signed_with_the_first_key() -> None:
    settings = replace(OF_TODAY.settings, link_key="", dkim=())
    issue = replace(OF_TODAY, settings=settings)
    message = (
        IssueComposer(issue, Fragments.from_json(STORED), SIGNING).compose(replace(DRAFT, issue=issue)).envelope.message
    )
    assert b"DKIM-Signature" not in message


def test_an_address_in_an_abstract_is_no_link_in_either_part() -> None:
    told = "We present a benchmark of sorting, and its code is at https://sorting.example."
    issue = an_issue([a_paper(1, abstract=told, summary="")])
    message = a_composer(issue).compose(a_draft(issue, everything_in(issue))).envelope.message
    assert "at sorting.example" in ParsedMessage(message).text
    assert broken(message) == []

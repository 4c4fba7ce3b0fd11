"""Messages are in the subscriber's language, and a retry is the same message whatever has changed since."""

import email
import json
import re
from dataclasses import replace
from email.policy import default

import pytest
from sqlalchemy import select

from digest.database.engine import read_only
from digest.database.tables import fragments
from digest.issues.issue import Issue
from digest.issues.selection import IssueCache, Pick, Pool, Selection
from digest.issues.selection.history import profile_from
from digest.language import Languages
from digest.ledger.kinds import OF_ISSUE, IssueKind, Kind
from digest.mail.compose.composer import Composer, IssueComposer, compose_alone, render_fragments
from digest.mail.compose.context import MailContext
from digest.mail.compose.fragments import _EARLIEST_WORDING, Fragments
from digest.mail.compose.render import Renderer
from digest.mail.kinds import KINDS
from digest.mail.message import language_of
from digest.papers.score_terms import ScoreTerms
from digest.papers.topics import TOPICS
from digest.resources import resource
from digest.subscribers.subscriber import Preferences
from digest.text import columns, wrapped
from tests.languages.pseudo import CODE, Main, pseudo_languages, words_outside
from tests.mail.builders import (
    BRANDING,
    CONTEXT,
    LINKS,
    a_draft,
    a_paper,
    an_issue,
    every_message,
    everything_in,
    parts_of,
)
from tests.support.scenario import add_papers, cut
from tests.support.scenario import desk as english_desk

RENDERER = Renderer(resource("templates"), Languages(resource("locale")))
SPEAKING = replace(CONTEXT, renderer=RENDERER)
ISSUE = an_issue([a_paper(1), a_paper(2)])


def in_language(selection: Selection, code: str) -> Selection:
    return replace(selection, language=code)


def body(message: bytes, kind: str) -> str:
    part = email.message_from_bytes(message, policy=default).get_body((kind,))
    assert part is not None
    return str(part.get_content())


def a_link_mail(context: MailContext, code: str) -> bytes:
    draft = a_draft(ISSUE, None)
    preferences = replace(draft.subscriber.preferences, language=code)
    asked = replace(draft.delivery, kind=Kind.LINK, issue_id=None)
    return compose_alone(
        replace(draft, issue=None, subscriber=replace(draft.subscriber, preferences=preferences), delivery=asked),
        context,
    ).envelope.message


def test_a_mail_is_in_the_readers_language():
    message = a_link_mail(SPEAKING, "zh-CN")
    assert "这是您的链接" in body(message, "plain")
    assert '<html lang="zh-CN" dir="ltr">' in body(message, "html")
    assert email.message_from_bytes(message, policy=default)["Subject"] == "您的 Daily Papers 链接"


def test_who_chose_none_gets_the_operators():
    assert a_link_mail(replace(SPEAKING, language="zh-CN"), "") == a_link_mail(SPEAKING, "zh-CN")
    assert a_link_mail(SPEAKING, "") == a_link_mail(SPEAKING, "en")


def test_an_issue_is_rendered_in_each_language_that_is_needed():
    english, chinese = (
        compose_alone(a_draft(ISSUE, in_language(everything_in(ISSUE), code)), SPEAKING) for code in ("", "zh-CN")
    )
    assert "1 of 2" in body(english.envelope.message, "plain")
    assert "1/2" in body(chinese.envelope.message, "plain")
    assert "2026年11月23日" in body(chinese.envelope.message, "html")


def test_the_language_is_frozen_with_the_mail_and_with_the_issue():
    issue = replace(ISSUE, settings=replace(ISSUE.settings, language="zh-CN"))
    assert language_of(a_draft(issue, everything_in(issue))) == "zh-CN"
    assert language_of(a_draft(issue, in_language(everything_in(issue), "en"))) == "en"
    assert language_of(a_draft(ISSUE, None)) == "en"


def test_fragments_of_an_earlier_version_are_joined_as_they_were():
    made = render_fragments(ISSUE, SPEAKING)
    said = json.loads(made.to_json())
    assert said.pop("wording")
    assert said.pop("welcome")
    assert Fragments.from_json(json.dumps(said)) == replace(made, wording=_EARLIEST_WORDING, welcome=(("",), ("",)))


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_keeps_the_fragments_of_each_language(engine):
    add_papers(engine, range(3))
    issue_id = cut(engine).issue_id
    issues = IssueCache(engine, RENDERER.languages)
    context = replace(english_desk(), renderer=RENDERER)
    composer = Composer(engine, context, lambda _delivery_id: None, issues)
    issue = issues.get(issue_id).issue
    drafts = [a_draft(issue, in_language(everything_in(issue), code), n) for n, code in enumerate(("zh-CN", ""), 1)]
    assert len(composer.compose(drafts)[0]) == 2
    with read_only(engine) as connection:
        kept = connection.execute(select(fragments.c.language).order_by(fragments.c.language)).scalars().all()
    assert kept == ["en", "zh-CN"]


LIKED, LIKE_IT, FAR = "Zq liked", a_paper(9, title="Zqx"), a_paper(7, title="")
EVERYTHING = ScoreTerms(upvotes=31.0, gained=12.0, comments=2.0, stars=1350.0)
WANTS = Preferences(language=CODE, keywords=("Zqx 1",), authors=("Ada Example",), topics=("graphs", "speech"), papers=9)


def an_issue_of_all_sorts(kind: str) -> Issue:
    """Papers whose cards and reasons contain every translatable text."""
    alone = {"authors": ("Bo Sample",)}
    papers = [
        a_paper(1, title="Zqx 1", authors=("Ada Example",) * 5, project_url="https://zq.example/p"),
        a_paper(2, title="Zqx speech", code_url="https://zq.example/c", **alone),
        a_paper(3, title="Zqx graphs", **alone),
        *(replace(one, authors=("Bo Sample",)) for one in (LIKE_IT, a_paper(6, title="Zqy"), FAR)),
    ]
    papers = [replace(one, summary="Zq.", organization="Zq") for one in papers]
    issue = an_issue(papers, kind=kind)
    late = (replace(one, terms=EVERYTHING, late_days=place % 3) for place, one in enumerate(issue.papers))
    return replace(issue, papers=tuple(late))


@pytest.mark.parametrize("kind", [kind for kind in OF_ISSUE if kind is not IssueKind.NOTICE])
@pytest.mark.parametrize("most", [1, 9])
def test_nothing_in_a_digest_stays_english_in_another_language(kind, most, tmp_path):
    languages = pseudo_languages(tmp_path)
    context = replace(CONTEXT, renderer=Renderer(resource("templates"), languages))
    issue = an_issue_of_all_sorts(kind)
    pool = Pool(issue, languages=languages)
    profile = profile_from(pool, {LIKE_IT.id: 0.9, "2611.00006": 0.5}, {LIKE_IT.id: LIKED})
    chosen = pool.select(replace(WANTS, papers=most), set(), profile)
    assert isinstance(chosen, Selection)
    chosen = replace(chosen, left_out=most - 1)
    parts = parts_of(compose_alone(a_draft(issue, chosen), context).envelope.message)
    said = ("Zqx", "Zqy", "Zq", "Ada Example", "Bo Sample", *(topic.name for topic in TOPICS), "speech", "graphs")
    branding = (BRANDING.title, BRANDING.postal_address, BRANDING.contact, LINKS.address)
    texts = [parts.subject, re.sub(r"https://\S+", "", parts.text), *Main(parts.html, "body").texts]
    assert words_outside(texts, (*branding, *said)) == []
    assert parts.text.count("⟦") > 30
    if most > 1:
        for reason in ("you follow", "matches your keyword", "which you liked", "from outside your interests"):
            assert reason in " ".join(parts.text.split())


def test_nothing_in_the_other_mails_stays_english_in_another_language(tmp_path):
    renderer = Renderer(resource("templates"), pseudo_languages(tmp_path), CODE)
    own = (BRANDING.title, BRANDING.postal_address, BRANDING.contact, LINKS.address)
    for parts in (renderer.render(kind, LINKS, BRANDING) for kind, row in KINDS.items() if not row.is_listed):
        assert "⟦" in parts.subject
        text = re.sub(r"https://\S+", "", parts.text)
        assert words_outside([parts.subject, text, *Main(parts.html, "body").texts], own) == []


def test_a_reason_is_said_in_the_language_of_its_reader_and_stored_so():
    pool = Pool(an_issue([a_paper(1), a_paper(2)]), languages=RENDERER.languages)
    wants = Preferences(keywords=("Paper 2",), surprise=False)
    picks = {code: pool.select(replace(wants, language=code), set()).picks for code in ("zh-CN", "", "en")}
    assert picks["zh-CN"][0].why == "匹配关键词“Paper 2”"
    assert picks[""] == picks["en"]
    assert picks["en"][0].why == "matches your keyword “Paper 2”"
    assert [pick._replace(why="") for pick in picks["zh-CN"]] == [pick._replace(why="") for pick in picks["en"]]


def test_a_mail_in_chinese_is_the_same_bytes_again_whatever_was_translated_meanwhile():
    draft = a_draft(ISSUE, Selection((Pick("2611.00002", "匹配关键词“Paper 2”"),), language="zh-CN"))
    stored = render_fragments(ISSUE, SPEAKING, "zh-CN").to_json()
    first = IssueComposer(ISSUE, Fragments.from_json(stored), SPEAKING).compose(draft)
    for renderer in (RENDERER, Renderer(resource("templates"))):
        again = IssueComposer(ISSUE, Fragments.from_json(stored), replace(SPEAKING, renderer=renderer)).compose(draft)
        assert again.envelope.message == first.envelope.message
    assert "匹配关键词" in body(first.envelope.message, "plain")


@pytest.mark.parametrize("kind", list(Kind))
def test_no_line_of_a_text_part_is_wider_than_a_terminal(kind):
    text = parts_of(every_message("zh-CN")[kind]).text
    lines = [line for line in text.splitlines() if not line.startswith("https://")]
    assert max(map(columns, lines)) <= 76


@pytest.mark.parametrize(
    "said", ["论文里没有空格，却有标点。" * 20, "Latin 与汉字混排（如“这样”）的句子 " * 9, "x" * 99 + "字" * 99]
)
def test_a_text_without_spaces_is_parted_between_its_characters(said):
    lines = wrapped(said).split("\n")
    assert "".join(wrapped(said).split()) == "".join(said.split())
    assert all(columns(line) <= 75 for line in lines)
    assert all(columns(line) > 65 for line in lines[:-2])
    assert not any(line[0] in "，。）”" for line in lines)


def test_the_words_of_welcome_are_in_the_readers_language():
    issue = an_issue([a_paper(1), a_paper(2)])
    first = replace(in_language(everything_in(issue), "zh-CN"), first=True)
    assert "欢迎！这是您的第一期" in body(compose_alone(a_draft(issue, first), SPEAKING).envelope.message, "plain")

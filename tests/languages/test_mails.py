"""Mails in the reader's language; one that is sent again is the same mail whatever was changed meanwhile."""

import email
from dataclasses import replace
from email.policy import default

import pytest
from sqlalchemy import select

from digest.issues.selection import Selection
from digest.language import Languages
from digest.mail.fragments import Fragments
from digest.mail.letters import Desk, language_of, make_fragments, write
from digest.mail.message import Kind
from digest.mail.render import Renderer
from digest.mail.writing import Writer
from digest.resources import resource
from digest.store.database import reading
from digest.store.tables import fragments
from tests.languages.pseudo import CODE, Main, pseudo_languages, words_outside
from tests.mail.builders import DESK, LOOK, READER, a_paper, a_part, an_issue, everything_in
from tests.world import add_papers, cut
from tests.world import desk as english_desk

RENDERER = Renderer(resource("templates"), Languages(resource("locale")))
SPEAKING = replace(DESK, renderer=RENDERER)
ISSUE = an_issue([a_paper(1), a_paper(2)])


def in_language(selection: Selection, code: str) -> Selection:
    return replace(selection, language=code)


def body(message: bytes, kind: str) -> str:
    part = email.message_from_bytes(message, policy=default).get_body((kind,))
    assert part is not None
    return str(part.get_content())


def a_link_mail(desk: Desk, code: str) -> bytes:
    part = a_part(ISSUE, None)
    preferences = replace(part.reader.preferences, language=code)
    asked = replace(part.delivery, kind=Kind.LINK, issue_id=None)
    return write(
        replace(part, issue=None, reader=replace(part.reader, preferences=preferences), delivery=asked), desk
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
        write(a_part(ISSUE, in_language(everything_in(ISSUE), code)), SPEAKING) for code in ("", "zh-CN")
    )
    assert "1 of 2" in body(english.envelope.message, "plain")
    assert "第 1 篇，共 2 篇" in body(chinese.envelope.message, "plain")
    assert "2026年11月23日" in body(chinese.envelope.message, "html")


def test_the_language_is_frozen_with_the_mail_and_with_the_issue():
    issue = replace(ISSUE, settings=ISSUE.settings | {"language": "zh-CN"})
    assert language_of(issue, everything_in(issue)) == "zh-CN"
    assert language_of(issue, in_language(everything_in(issue), "en")) == "en"
    old = {name: value for name, value in ISSUE.settings.items() if name != "language"}
    assert language_of(replace(ISSUE, settings=old), None) == "en"


def test_fragments_of_an_earlier_version_are_joined_as_they_were():
    made = make_fragments(ISSUE, SPEAKING)
    stored = made.to_json().replace(',"wording":{"also":"Also: ","place":"{number} of {count}"}', "")
    assert "wording" not in stored
    assert Fragments.from_json(stored) == made


class _NoJournal:
    def making(self, _number: int) -> None:
        pass


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_worker_keeps_the_fragments_of_each_language(engine):
    add_papers(engine, range(3))
    issue_id = cut(engine).issue_id
    writer = Writer(engine, replace(english_desk(), renderer=RENDERER), _NoJournal())  # type: ignore[arg-type]
    issue = writer.shelf(issue_id).issue
    parts = [a_part(issue, in_language(everything_in(issue), code), n) for n, code in enumerate(("zh-CN", ""), 1)]
    assert len(writer.write(parts).made) == 2
    with reading(engine) as connection:
        kept = connection.execute(select(fragments.c.language).order_by(fragments.c.language)).scalars().all()
    assert kept == ["en", "zh-CN"]


def test_nothing_in_a_mail_stays_english_in_another_language(tmp_path):
    renderer = Renderer(resource("templates"), pseudo_languages(tmp_path), CODE)
    letter = renderer.link_letter(READER, replace(LOOK, contact="", postal_address=""))
    own = (LOOK.title, READER.address, READER.manage_url, READER.unsubscribe_url)
    assert "⟦" in letter.subject
    assert words_outside([letter.subject, letter.text, *Main(letter.html, "body").texts], own) == []

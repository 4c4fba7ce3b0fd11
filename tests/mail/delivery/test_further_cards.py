"""Papers beyond the best of an issue, and the days that a message covers, are the same bytes whenever they are sent."""

import re
import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from digest.database.engine import read_only
from digest.database.tables import cards
from digest.issues.selection import Pick, Selection
from digest.issues.store import issue_by_id
from digest.mail.compose.composer import IssueComposer, render_fragments
from digest.mail.compose.further_cards import FurtherCards
from digest.mail.compose.render import Renderer
from digest.mail.preview import preview_message
from digest.resources import resource
from tests.mail.builders import a_draft
from tests.mail.delivery.builders import SEVEN, hands, opened
from tests.support.scenario import DAY, LANGUAGES, PLAN, add_papers, add_subscriber, cut, desk, paper
from tests.support.smtp_server import KEEP_AND_HANG_UP, Step

__all__ = ["hands"]

BEYOND = paper(9).id


def publish(engine):
    """An issue whose pages show three of ten papers; the tenth is about graphs."""
    add_papers(engine, range(9))
    add_papers(engine, range(9, 10), title="Graphs of graphs")
    issue_id = cut(engine, plan=replace(PLAN, papers=3)).issue_id
    with read_only(engine) as connection:
        return issue_by_id(connection, issue_id, whole=True)


@pytest.fixture
def redesigned(tmp_path):
    """Templates in which every card begins with a new line."""
    folder = shutil.copytree(resource("templates"), tmp_path / "templates")
    for name in ("card.txt", "card.html", "since.txt", "since.html"):
        file = folder / "email" / "digest" / name
        file.write_text(re.sub(r"(?={{ (title|notice))", "Redesigned ", file.read_text("utf-8")), "utf-8")
    return replace(desk(), renderer=Renderer(folder, LANGUAGES))


def follower(engine, name):
    return add_subscriber(engine, f"{name}@example.com", keywords=("graphs",), papers=4)


def text_of(taken):
    return opened(taken).get_body(("plain",)).get_content()


def kept(engine):
    with read_only(engine) as connection:
        return connection.execute(select(cards.c.language, cards.c.paper_id).order_by(cards.c.paper_id)).all()


def test_a_retry_is_the_same_mail_though_its_papers_are_not_among_the_best_and_templates_changed(
    hands, engine, smtp_server, redesigned
):
    follower(engine, "ada")
    publish(engine)
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.deliver()
    hands.at += timedelta(minutes=10)
    hands.deliver("two", redesigned)
    first, again = smtp_server.taken
    assert "Graphs of graphs" in text_of(first)
    assert "Matches your keyword “graphs”" in text_of(first)
    assert first.content == again.content
    assert kept(engine) == [("en", BEYOND)]


def test_all_subscribers_get_the_card_that_was_kept_first(hands, engine, smtp_server, redesigned):
    ada, ben = follower(engine, "ada"), follower(engine, "ben")
    issue = publish(engine)
    hands.deliver()
    shown = [preview_message(engine, redesigned, issue, each, SEVEN) for each in (ada, ben)]
    assert sorted(shown) == sorted(mail.content for mail in smtp_server.taken)
    assert b"Redesigned" in preview_message(engine, redesigned, issue, None, SEVEN)


def test_the_notice_of_days_without_an_email_is_kept_too(engine, redesigned):
    issue = publish(engine)
    draft = a_draft(issue, Selection((Pick(paper(0).id, ""), Pick(BEYOND, "")), since=DAY - timedelta(days=2)))
    fragments = render_fragments(issue, desk())

    def message(context):
        return IssueComposer(issue, fragments, context, FurtherCards(issue, context.renderer, engine)).compose(draft)

    first, again = message(desk()), message(redesigned)
    assert first.sha256 == again.sha256
    assert b"We didn=E2=80=99t email you from Monday to Tuesday" in first.envelope.message
    assert [name for _language, name in kept(engine)] == [BEYOND, f"since:{DAY - timedelta(days=2)}"]

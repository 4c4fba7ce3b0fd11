"""Fragments must have a placeholder for the cards and no line that begins with a dot."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from digest.mail.compose.composer import IssueComposer, render_fragments
from digest.mail.compose.render import Renderer
from digest.mail.message import UnfitMessage
from digest.smtp import Envelope
from tests.mail.builders import CONTEXT, TEMPLATES, a_composer, a_draft, a_paper, an_issue, everything_in

ISSUE = an_issue([a_paper(number) for number in range(1, 4)])


def mail_of(composer: IssueComposer) -> Envelope:
    return composer.compose(a_draft(ISSUE, everything_in(ISSUE))).envelope


@pytest.mark.parametrize("places", [0, 2])
def test_a_template_needs_one_place_for_its_cards(places: int, tmp_path: Path) -> None:
    templates = shutil.copytree(TEMPLATES, tmp_path / "templates")
    body = templates / "email" / "digest" / "body.txt"
    body.write_text(body.read_text("utf-8").replace("{{ cards }}", "{{ cards }}\n" * places), "utf-8")
    with pytest.raises(UnfitMessage, match=f"one place for the cards and has {places}"):
        a_composer(ISSUE, replace(CONTEXT, renderer=Renderer(templates)))


def test_the_sender_looks_for_dots_in_no_mail_of_fragments_without_them() -> None:
    assert not mail_of(a_composer(ISSUE)).may_have_dots


@pytest.mark.parametrize("before", ["", "a line\r\n"])
def test_the_sender_looks_for_dots_where_a_fragment_of_another_version_has_one(before: str) -> None:
    fragments = render_fragments(ISSUE, CONTEXT)
    name, card = next(iter(fragments.cards.items()))
    dotted = replace(card, text=(f"{before}.{card.text[0]}", *card.text[1:]))
    composer = IssueComposer(ISSUE, replace(fragments, cards=fragments.cards | {name: dotted}), CONTEXT)
    assert mail_of(composer).may_have_dots

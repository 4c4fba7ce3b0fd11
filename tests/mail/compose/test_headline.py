"""Subjects and preheaders name papers, those from outside a subscriber's interests last."""

import quopri
from dataclasses import replace
from html import unescape

import pytest

from digest.issues.reasons import OUTSIDE
from digest.issues.selection import Pick, Selection
from digest.mail.compose.composer import IssueComposer, render_fragments
from digest.mail.compose.fragments import Fragments
from tests.mail.builders import CONTEXT, a_composer, a_draft, a_paper, an_issue, parts_of

TITLES = ("SkillOpt: Executive Strategy", "TransitLM: A Dataset", "MMSkills: Towards Skills", "Lens: Efficiency")
ISSUE = an_issue([a_paper(n, title=title) for n, title in enumerate(TITLES + TITLES[:1] * 6, start=1)])


def headline(whys: list[str]) -> tuple[str, str]:
    picks = tuple(Pick(ranked.paper.id, why) for ranked, why in zip(ISSUE.papers, whys, strict=False))
    parts = parts_of(a_composer(ISSUE).compose(a_draft(ISSUE, Selection(picks))).envelope.message)
    hidden = parts.html.partition('<div style="display:none">')[2].partition("</div>")[0]
    return parts.subject, unescape(hidden).replace("\u034f", "").replace("\u00a0", " ").strip()


@pytest.mark.parametrize(
    ("whys", "subject", "preheader"),
    [
        ([""] * 10, "SkillOpt, TransitLM, MMSkills and 7 more", "Also: Lens; SkillOpt"),
        (["", OUTSIDE, "", ""], "SkillOpt, MMSkills, Lens and 1 more", "SkillOpt: A sorting method"),
        ([OUTSIDE, "", ""], "TransitLM, MMSkills and 1 more", "TransitLM: A sorting method"),
        ([""] * 3, "SkillOpt, TransitLM and MMSkills, 23 Nov", "SkillOpt: A sorting method"),
        ([""], "SkillOpt, 23 Nov", "A sorting method that never reads its input"),
    ],
)
def test_a_headline_names_papers(whys: list[str], subject: str, preheader: str) -> None:
    shown, hidden = headline(whys)
    assert shown == subject
    assert hidden.startswith(preheader)


def test_an_issue_of_an_earlier_version_keeps_its_headlines() -> None:
    made = render_fragments(ISSUE, CONTEXT)
    stored = Fragments.from_json(made.to_json())
    del stored.wording["outside"]
    picks = tuple(Pick(ranked.paper.id, "") for ranked in ISSUE.papers[:4])
    message = IssueComposer(ISSUE, stored, CONTEXT).compose(a_draft(ISSUE, Selection(picks))).envelope.message
    assert parts_of(message).subject == "SkillOpt and 3 more"
    assert b"Also: " not in quopri.decodestring(message), "too short a list, so the quiet preheader"


def test_an_issue_that_was_rendered_when_preheaders_named_all_papers_keeps_them() -> None:
    stored = replace(render_fragments(ISSUE, CONTEXT), is_inside_only=False)
    picks = tuple(Pick(ranked.paper.id, why) for ranked, why in zip(ISSUE.papers, [OUTSIDE, "", ""], strict=False))
    message = IssueComposer(ISSUE, stored, CONTEXT).compose(a_draft(ISSUE, Selection(picks))).envelope.message
    assert b"SkillOpt: A sorting method" in quopri.decodestring(message)

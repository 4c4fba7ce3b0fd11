"""One subscriber's digest the obvious way: every template rendered for them alone, without placeholders."""

import quopri
from html import unescape
from typing import Any

from digest.issues.issue import Issue
from digest.issues.selection import Selection
from digest.ledger.kinds import Kind
from digest.lint import parse
from digest.mail.compose.cards import card_values
from digest.mail.compose.fragments import _WORDING, fragments_of
from digest.mail.compose.further_cards import FurtherCards
from digest.mail.compose.issue_template import REASON, REASON_ROOM, IssueTemplate
from digest.mail.compose.render import (
    RenderedCard,
    Renderer,
    SubscriberLinks,
    _common_values,
    _issue_values,
    counted_papers,
    cut_notice,
    left_out_notice,
    withheld_notice,
)
from digest.mail.message import Branding, MessageParts
from digest.text import cut, wrapped


def from_scratch(
    renderer: Renderer, issue: Issue, selection: Selection, links: SubscriberLinks, branding: Branding
) -> tuple[MessageParts, str]:
    """The message, and its preheader."""
    language = renderer.language
    ranked = {row.paper.id: row for row in issue.pool}
    papers = [ranked[pick.paper_id].paper for pick in selection.picks]
    cards = dict.fromkeys(("html", "text"), "")
    above: dict[str, dict[str, Any]] = {}
    if selection.since:
        above["since"] = {"notice": withheld_notice(selection.since, issue.date, language)}
    if selection.first:
        above["welcome"] = {"subscriber": links}
    for name, given in above.items():
        html, text = (renderer._render(f"digest/{name}.{ending}", given) for ending in ("html", "txt"))
        cards = {"html": cards["html"] + html.strip() + "\n", "text": cards["text"] + text.strip("\n") + "\n\n"}
    for number, pick in enumerate(selection.picks, start=1):
        row = ranked[pick.paper_id]
        common = card_values(row, branding.public_url, links.feedback_url, language)
        common |= {"position": language.say(_WORDING["place"]).format(number=number, count=len(papers))}
        why, place = cut(pick.why[:1].upper() + pick.why[1:], REASON, REASON_ROOM), common["place"]
        common["place"] = place if pick.why else place[:1].upper() + place[1:]
        reason = {"html": f"{why} · " if why else "", "text": f"{wrapped(why)}\n" if why else ""}
        for kind, ending in (("html", "html"), ("text", "txt")):
            template = renderer._templates.get_template(f"email/digest/card.{ending}")
            card = template.render(common | {"reason": reason[kind]})
            cards[kind] += card.strip() + "\n" if kind == "html" else card.strip("\n") + "\n\n"
    # Subjects and preheaders have tests of their own (test_headline.py).
    headline = _template(issue, branding, renderer).headline(selection)
    preheader = unescape(quopri.decodestring(headline.preheader).decode())
    many, left_out = str(len(papers)), selection.left_out
    is_cut = len(issue.pool) > len(papers) + left_out
    values = _issue_values(issue, branding, language) | {
        "papers": counted_papers(len(papers), language, many),
        "more": str(len(papers) - 1) if len(papers) > 1 else "",
        "left_out": left_out_notice(left_out, language, language.number(left_out)),
        "cut": cut_notice(len(papers), len(issue.pool), language, many) if is_cut else "",
        "title": "",
        "preheader": preheader,
    }
    shown = unescape(quopri.decodestring(headline.subject_in_html).decode())
    values |= _common_values(links, branding) | {"subject": shown}
    parts = renderer._message(Kind.DIGEST, values, RenderedCard(cards["html"], cards["text"]))
    return MessageParts(shown, parts.text, parts.html), preheader


def _template(issue: Issue, branding: Branding, renderer: Renderer) -> IssueTemplate:
    """Made once for the issue of many examples."""
    key = id(issue), branding, renderer.language.code
    if key not in _templates:
        fragments, further = fragments_of(issue, branding, renderer), FurtherCards(issue, renderer)
        _templates[key] = issue, IssueTemplate(fragments, "=_x", len(issue.pool), further)
    return _templates[key][1]


_templates: dict[Any, tuple[Issue, IssueTemplate]] = {}  # the issue is kept too, or another could get its id


def shown(html: str) -> list[Any]:
    """Every element with its attributes and words, whatever the source looks like."""
    return [
        (element.tag, element.attributes, element.words.replace("\u00a0", " ").split())
        for element in parse(html).everything()
    ]

"""One reader's digest the obvious way: every template rendered for this reader alone, with values and no holes."""

from typing import Any

from digest.issues.issue import Issue
from digest.issues.selection import Selection
from digest.mail.cards import card_values, in_preheader, in_subject
from digest.mail.joining import REASON
from digest.mail.lint_tree import parse
from digest.mail.message import Kind, Letter
from digest.mail.render import Look, ReaderLinks, Renderer, _digest_values
from digest.mail.words import cut, number_of, one_line, wrapped


def from_scratch(
    renderer: Renderer, issue: Issue, selection: Selection, reader: ReaderLinks, look: Look
) -> tuple[Letter, str]:
    """The letter, and its preheader."""
    ranked = {place.paper.id: place for place in issue.papers}
    papers = [ranked[pick.paper_id].paper for pick in selection.picks]
    cards = {"html": "", "text": ""}
    for number, pick in enumerate(selection.picks, start=1):
        why = f"· {cut(pick.why, REASON)}"
        common = card_values(ranked[pick.paper_id], look.public_url)
        common |= {"position": f"{number} of {len(papers)}", "feedback": reader.feedback_url}
        said = {"html": f" {why}" if pick.why else "", "text": f"\n{wrapped(why)}" if pick.why else ""}
        for kind, ending in (("html", "html"), ("text", "txt")):
            template = renderer._templates.get_template(f"email/digest/card.{ending}")
            cards[kind] += template.render(common | {"why": said[kind]}).strip("\n") + "\n"
    preheader = "Also: " + "; ".join(in_preheader(paper) for paper in papers[1:4])
    if len(papers) == 1 or len(preheader) < 40:
        values = _digest_values(issue, look, renderer.language)
        preheader = f"{values['weekday']}, {values['date']}: each paper with the reason why it is here."
    left_out = f"{number_of(selection.left_out, 'paper')} that you already got {{}} left out.".format(
        "was" if selection.left_out == 1 else "were"
    )
    values = _digest_values(issue, look, renderer.language) | {
        "papers": number_of(len(papers), "paper"),
        "more": str(len(papers) - 1) if len(papers) > 1 else "",
        "left_out": left_out if selection.left_out else "",
        "cut": _cut(len(papers), len(issue.papers)) if len(issue.papers) > len(papers) + selection.left_out else "",
        "title": in_subject(papers[0]),
        "preheader": preheader,
    }
    shown = one_line(renderer._render(Kind.DIGEST, "subject.txt", values | {"reader": reader, "look": look}))
    letter = renderer._letter(Kind.DIGEST, values, cards, reader, look, shown_subject=shown)
    return Letter(shown, letter.text, letter.html), preheader


def _cut(papers: int, pool: int) -> str:
    shown = "This is 1" if papers == 1 else f"These are {papers}"
    return f"{shown} of the {pool:,} papers of the issue."


def shown(html: str) -> list[Any]:
    """Every element with its attributes and words, whatever the source looks like."""
    return [
        (element.tag, element.attributes, element.words.replace("\u00a0", " ").split())
        for element in parse(html).everything()
    ]

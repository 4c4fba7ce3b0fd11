"""Values → Letter: the Jinja2 templates of templates/email, styles inlined. Pure but for reading its templates.

Everything that others wrote (titles, names, reasons) passes mail/words.py and is escaped by the template engine.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from digest.issues.issue import Issue
from digest.issues.selection import Selection, reason_of
from digest.mail.message import Kind, Letter
from digest.mail.words import cut, day_of, number_of, one_line, short_date, short_title, unbroken, weekday, wrapped
from digest.papers.paper import Paper, RankedPaper, arxiv_id

# Encoded HTML beyond about 100 kB is clipped by Gmail; with these limits 25 papers stay below it whatever they hold.
TITLE, EXCERPT, NAME, ORGANIZATION, REASON = 250, 300, 40, 60, 120
LONGEST_URL = 200
# After the preheader, so that a client does not show the first words of the mail behind it.
SPACER = "\u034f\u200c\u00a0" * 40


@dataclass(frozen=True, slots=True)
class Look:
    """What the operator shows in every mail. `public_url` has no slash at its end."""

    title: str
    public_url: str
    postal_address: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class ReaderLinks:
    """Whom a mail goes to, and the reader's own links."""

    address: str
    manage_url: str
    unsubscribe_url: str
    confirm_url: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """A paper as every reader of an issue sees it; their reason is joined to it later. Styles not yet inlined."""

    html: str
    text: str


@dataclass(frozen=True, slots=True)
class Link:
    """Words that say where it leads, and the address."""

    words: str
    url: str


class Renderer:
    """The templates below `templates` (the folder that holds email/), compiled once."""

    def __init__(self, templates: Path) -> None:
        self._templates = Environment(
            loader=FileSystemLoader(templates),
            autoescape=select_autoescape(enabled_extensions=("html",), default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(wrap=wrapped, short=short_title, unbroken=unbroken)
        self._inliner = CSSInliner(
            extra_css=(templates / "email" / "base.css").read_text(encoding="utf-8"),
            inline_style_tags=False,  # what is in <style> (dark mode, narrow screens) stays there
            keep_style_tags=True,
            load_remote_stylesheets=False,
        )

    def digest_letter(self, issue: Issue, selection: Selection, reader: ReaderLinks, look: Look) -> Letter:
        """One reader's mail of an issue. Raises ValueError for an empty selection: nothing new is no mail."""
        if not selection.picks:
            raise ValueError("a digest without papers is not mailed")
        ranked = {place.paper.id: place for place in issue.papers}
        chosen = [ranked[pick.paper_id] for pick in selection.picks]
        cards = [self.render_card(place, look) for place in chosen]
        entries = [
            {"card": card, "reason": cut(reason_of(ranked[pick.paper_id], pick.why), REASON)}
            for card, pick in zip(cards, selection.picks, strict=True)
        ]
        papers = [place.paper for place in chosen]
        return self._letter(Kind.DIGEST, _digest_values(issue, papers, selection), entries, reader, look)

    def confirmation_letter(self, reader: ReaderLinks, look: Look) -> Letter:
        """Asks whether the address is the sign-up's own; holds nothing that the sign-up brought but the address."""
        preheader = "One click starts your daily papers. If it was not you, do nothing."
        return self._letter(Kind.CONFIRMATION, {"preheader": preheader}, [], reader, look)

    def already_letter(self, reader: ReaderLinks, look: Look) -> Letter:
        """For a sign-up of an address that is confirmed."""
        preheader = "Nothing to do. Here is the way to your topics, your hour and a pause."
        return self._letter(Kind.ALREADY, {"preheader": preheader}, [], reader, look)

    def link_letter(self, reader: ReaderLinks, look: Look) -> Letter:
        """The link to their preferences that a reader asked for."""
        preheader = "Topics, hour, number of papers, a pause: all behind one link."
        return self._letter(Kind.LINK, {"preheader": preheader}, [], reader, look)

    def render_card(self, ranked: RankedPaper, look: Look) -> Card:
        """One paper, the same for every reader of the issue."""
        values = _card_values(ranked, look)
        html = self._templates.get_template("email/digest/card.html").render(values)
        text = self._templates.get_template("email/digest/card.txt").render(values)
        return Card(html.strip(), text.strip() + "\n")

    def _letter(
        self,
        kind: Kind,
        special: dict[str, Any],
        entries: Sequence[dict[str, Any]],
        reader: ReaderLinks,
        look: Look,
    ) -> Letter:
        values = {
            "entries": entries,
            "reader": reader,
            "look": look,
            "contact_url": _contact_url(look.contact),
            "spacer": SPACER,
            **special,
        }
        if "day" in special:
            values["issue_url"] = f"{look.public_url}/issues/{special['day']}"
        subject = one_line(self._render(kind, "subject.txt", values))
        text = self._render(kind, "body.txt", values).strip("\n") + "\n"
        html = self._render(kind, "body.html", values | {"subject": subject})
        return Letter(subject, text, self._inliner.inline(html).rstrip("\n") + "\n")

    def _render(self, kind: Kind, part: str, values: dict[str, Any]) -> str:
        return self._templates.get_template(f"email/{kind}/{part}").render(values)


def _digest_values(issue: Issue, papers: Sequence[Paper], selection: Selection) -> dict[str, Any]:
    return {
        "day": issue.date.isoformat(),
        "day_short": short_date(issue.date),
        "count": len(papers),
        "first_title": papers[0].title if short_title(papers[0].title, 30) else "Untitled",
        "papers": number_of(len(papers), "paper"),
        "weekday": weekday(issue.date),
        "date": day_of(issue.date),
        "preheader": _preheader(issue, papers),
        "note": cut(issue.note, EXCERPT),
        "left_out": _left_out(selection.left_out),
    }


def _preheader(issue: Issue, papers: Sequence[Paper]) -> str:
    """What is inside beside the paper that the subject names, in 40 to 130 characters."""
    others = "; ".join(short_title(paper.title, 60) for paper in papers[1:4])
    said = cut(f"Also: {others}" if others else papers[0].summary, 130)
    return (
        said
        if len(said) >= 40
        else f"{weekday(issue.date)}, {day_of(issue.date)}: each paper with the reason why it is here."
    )


def _left_out(count: int) -> str:
    if not count:
        return ""
    return f"{number_of(count, 'paper')} that you already got {'was' if count == 1 else 'were'} left out."


def _card_values(ranked: RankedPaper, look: Look) -> dict[str, Any]:
    paper = ranked.paper
    own_page = f"{look.public_url}/papers/{quote(paper.id, safe='/:')}"
    return {
        "title": cut(paper.title, TITLE) or "Untitled",
        "url": _canonical(paper) or own_page,
        "excerpt": cut(paper.summary, EXCERPT) or cut(paper.abstract, EXCERPT),
        "byline": _byline(paper),
        "published": day_of(paper.published_at.date()) if paper.published_at else "",
        "counts": _counts(ranked.terms),
        "links": [*_links(paper), Link("How it was ranked", own_page)],
    }


def _canonical(paper: Paper) -> str:
    arxiv = arxiv_id(paper.id)
    return _safe_url(paper.url) or (f"https://arxiv.org/abs/{arxiv}" if arxiv else "")


def _links(paper: Paper) -> list[Link]:
    arxiv = arxiv_id(paper.id)
    links = [Link("PDF on arXiv", f"https://arxiv.org/pdf/{arxiv}")] if arxiv else []
    if code := _safe_url(paper.code_url):
        links.append(Link("Code on GitHub" if code.startswith("https://github.com/") else "Its code", code))
    if project := _safe_url(paper.project_url):
        links.append(Link("Project page", project))
    return links


def _safe_url(url: str) -> str:
    """`url` if it is a plain https address that stands in a mail as it is, else ""."""
    return (
        url
        if len(url) <= LONGEST_URL and re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d+)?([/?#][!#-;=?-\[\]_a-z~]*)?", url)
        else ""
    )


def _contact_url(contact: str) -> str:
    if re.fullmatch(r"[^\s@<>\"?&%]+@[^\s@<>\"?&%]+", contact):
        return f"mailto:{contact}"
    return _safe_url(contact)


def _byline(paper: Paper) -> list[str]:
    """`First, Second, Third and 4 more`, and the organisation; what is known of the two."""
    names = ", ".join(cut(name, NAME) for name in paper.authors[:3])
    more = f" and {len(paper.authors) - 3} more" if len(paper.authors) > 3 else ""
    return [part for part in (names + more, cut(paper.organization, ORGANIZATION)) if part]


def _counts(terms: dict[str, float]) -> str:
    """`142 votes · 12 comments · 350 stars`, of what is known and not nought."""
    known = (("upvotes", "vote"), ("comments", "comment"), ("stars", "star"))
    return " · ".join(number_of(int(terms[term]), thing) for term, thing in known if terms.get(term))

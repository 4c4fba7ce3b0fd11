"""Values → Letter: the Jinja2 templates of templates/email, styles inlined. Pure but for reading its templates.

A digest is rendered once an issue, with holes where values of its readers will stand (fragments.py); the other
mails are rendered one by one. Everything that others wrote (titles, names) passes text.py and is escaped by the
template engine.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from digest.issues.issue import Issue
from digest.language import SOURCE, Language, Languages, _, speak
from digest.ledger.kinds import OF_ISSUE, IssueKind, Kind
from digest.mail.compose.cards import EXCERPT, card_values, safe_url
from digest.mail.compose.quoted_printable import placeholder, row_placeholder
from digest.mail.message import MessageParts
from digest.papers.paper import RankedPaper
from digest.text import breakable, cut, one_line, short_title, unbroken, wrapped

# After the preheader, so that a client does not show the first words of the mail behind it.
SPACER = "\u034f\u200c\u00a0" * 40
MANY = 2  # stands for any number above one


@dataclass(frozen=True, slots=True)
class Branding:
    """What the operator shows in every mail. `public_url` has no slash at its end."""

    title: str
    public_url: str
    postal_address: str = ""
    contact: str = ""


@dataclass(frozen=True, slots=True)
class SubscriberLinks:
    """Whom a mail goes to, and the reader's own links."""

    address: str
    manage_url: str
    unsubscribe_url: str
    confirm_url: str = ""
    feedback_url: str = ""  # of the mails of an issue; a word and a paper follow, or the issue


@dataclass(frozen=True, slots=True)
class CardTemplate:
    """A paper as every reader of an issue sees it, with holes for what differs. Styles of `html` may be inlined yet."""

    html: str
    text: str


_ANY_READER = SubscriberLinks(
    placeholder("address"),
    placeholder("manage_url"),
    placeholder("unsubscribe_url"),
    feedback_url=placeholder("feedback"),
)


class Renderer:
    """The templates below `templates` (the folder that holds email/) in one language, compiled once."""

    def __init__(self, templates: Path, languages: Languages | None = None, code: str = SOURCE) -> None:
        self.languages = languages or Languages()
        self.language = self.languages.get(code)
        self._speaking = lru_cache(maxsize=None)(lambda other: Renderer(templates, self.languages, other))
        self._templates = Environment(
            loader=FileSystemLoader(templates),
            autoescape=select_autoescape(enabled_extensions=("html",), default=False),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        speak(self._templates, self.language)
        self._templates.filters.update(wrap=wrapped, short=short_title, unbroken=unbroken, breakable=breakable)
        self._inliner = CSSInliner(
            extra_css=(templates / "email" / "base.css").read_text(encoding="utf-8"),
            inline_style_tags=False,  # what is in <style> (dark mode, narrow screens) stays there
            keep_style_tags=True,
            minify_css=True,
            load_remote_stylesheets=False,
        )

    def speaking(self, code: str) -> "Renderer":
        """The same in the language with this tag; English where there is no such language."""
        return self if code == self.language.code else self._speaking(code)

    def digest_form(self, issue: Issue, look: Branding, papers: int, left_out: int, is_cut: bool) -> MessageParts:
        """A digest without its cards, with holes where readers differ; of the two numbers only 0, 1, MANY matter.

        `is_cut`: whether the issue holds papers beyond those in the mail and those left out.
        """
        values = _digest_values(issue, look, self.language) | {
            "papers": counted_papers(papers, self.language, placeholder("papers")),
            "more": placeholder("more") if papers > 1 else "",
            "left_out": told_left_out(left_out, self.language, placeholder("left_out")),
            "cut": told_cut(papers, len(issue.papers), self.language, placeholder("papers")) if is_cut else "",
            "title": placeholder("title"),
            "preheader": placeholder("preheader"),
        }
        rows = {"text": placeholder("cards"), "html": row_placeholder("cards")}
        return self._letter(OF_ISSUE[issue.kind], values, rows, _ANY_READER, look, shown_subject=placeholder("subject"))

    def render_card(self, ranked: RankedPaper, look: Branding, kind: str = IssueKind.DAILY) -> CardTemplate:
        """One paper of an issue of `kind`, with holes for its position in a mail and for the reader's own reason."""
        holes = {name: placeholder(name) for name in ("position", "why", "feedback")}
        values = card_values(ranked, look.public_url, self.language, kind) | holes
        html = self._templates.get_template("email/digest/card.html").render(values)
        text = self._templates.get_template("email/digest/card.txt").render(values)
        html.encode()  # raises here for what would be in the way of all cards in inlined()
        return CardTemplate(html.strip() + "\n", text.strip("\n") + "\n")

    def welcome(self) -> CardTemplate:
        """What stands above the first paper of a reader's first issue."""
        values = {"reader": _ANY_READER}
        html, text = (self._templates.get_template(f"email/digest/welcome.{kind}") for kind in ("html", "txt"))
        return CardTemplate(html.render(values).strip() + "\n", text.render(values).strip("\n") + "\n\n")

    def inlined(self, issue: Issue, cards: Sequence[CardTemplate], look: Branding) -> list[CardTemplate]:
        """The same cards with the styles that they have in a mail."""
        between = row_placeholder("card")
        rows = between + "".join(card.html + between for card in cards)
        values = _digest_values(issue, look, self.language) | dict.fromkeys(
            ("papers", "more", "left_out", "cut", "title", "preheader"), ""
        )
        cards_alone = {"text": "", "html": rows}
        page = self._letter(OF_ISSUE[issue.kind], values, cards_alone, _ANY_READER, look, shown_subject="")
        found = page.html.split(between)[1:-1]
        return [CardTemplate(html, card.text) for html, card in zip(found, cards, strict=True)]

    def confirmation_letter(self, reader: SubscriberLinks, look: Branding) -> MessageParts:
        """Asks whether the address is the sign-up's own; holds nothing that the sign-up brought but the address."""
        preheader = _("Confirm to start getting your daily papers. If this wasn’t you, do nothing.")
        return self._letter(Kind.CONFIRMATION, {"preheader": preheader}, {}, reader, look)

    def already_letter(self, reader: SubscriberLinks, look: Branding) -> MessageParts:
        """For a sign-up of an address that is confirmed."""
        preheader = _("There’s nothing to do. You can change your topics or delivery time, or pause, at any time.")
        return self._letter(Kind.ALREADY, {"preheader": preheader}, {}, reader, look)

    def link_letter(self, reader: SubscriberLinks, look: Branding) -> MessageParts:
        """The link to their preferences that a reader asked for."""
        preheader = _("Topics, delivery time, number of papers, pausing: all in one place.")
        return self._letter(Kind.LINK, {"preheader": preheader}, {}, reader, look)

    def goodbye_letter(self, reader: SubscriberLinks, look: Branding) -> MessageParts:
        """The last mail, to who unsubscribed: what happened, the way back, and how to be forgotten."""
        preheader = _("You won’t get any more issues. If that was a mistake, you can undo it.")
        return self._letter(Kind.GOODBYE, {"preheader": preheader}, {}, reader, look)

    def _letter(
        self,
        kind: Kind,
        special: dict[str, Any],
        rows: dict[str, str],
        reader: SubscriberLinks,
        look: Branding,
        shown_subject: str | None = None,
    ) -> MessageParts:
        """`rows` are the cards in text and HTML; `shown_subject` stands in the HTML instead of the subject."""
        values = {
            "reader": reader,
            "look": look,
            "contact_url": _contact_url(look.contact),
            "spacer": SPACER,
            **special,
        }
        subject = self._render(kind, "subject.txt", values)
        text = self._render(kind, "body.txt", values | {"cards": rows.get("text", "")}).strip("\n") + "\n"
        shown = one_line(subject) if shown_subject is None else shown_subject
        html = self._render(kind, "body.html", values | {"cards": Markup(rows.get("html", "")), "subject": shown})  # noqa: S704 - rendered by us
        return MessageParts(subject, text, self._inliner.inline(html).rstrip("\n") + "\n")

    def _render(self, kind: Kind, part: str, values: dict[str, Any]) -> str:
        return self._templates.get_template(f"email/{kind}/{part}").render(values)


def _digest_values(issue: Issue, look: Branding, language: Language) -> dict[str, Any]:
    return {
        "day_short": language.short_date(issue.date),
        "weekday": language.weekday(issue.date),
        "date": language.day_of(issue.date),
        "issue_url": look.public_url + issue.path,
        "issue_path": issue.path,  # behind the reader's own feedback address it is the list that they were sent
        "note": cut(issue.note_in(language.code), EXCERPT),
    }


def counted_papers(papers: int, language: Language, many: str) -> str:
    """`1 paper`, `10 papers`. Here and below `many` stands for a number above one: as it is read, or a hole."""
    said = language.ngettext("%(num)s paper", "%(num)s papers", papers)
    return said % {"num": _shown(papers, many)}


def told_left_out(count: int, language: Language, many: str) -> str:
    """How much the reader already got, "" for nothing."""
    said = language.ngettext(
        "We left out %(num)s paper you’d already received.",
        "We left out %(num)s papers you’d already received.",
        count,
    )
    return said % {"num": _shown(count, many)} if count else ""


def told_cut(papers: int, pool: int, language: Language, many: str) -> str:
    """That the issue holds more than the mail."""
    said = language.ngettext(
        "This is %(num)s of the %(pool)s papers in this issue.",
        "These are %(num)s of the %(pool)s papers in this issue.",
        papers,
    )
    return said % {"num": _shown(papers, many), "pool": language.number(pool)}


def _shown(number: int, many: str) -> str:
    return "1" if number == 1 else many


def _contact_url(contact: str) -> str:
    if re.fullmatch(r"[^\s@<>\"?&%]+@[^\s@<>\"?&%]+", contact):
        return f"mailto:{contact}"
    return safe_url(contact)

"""Renders messages from the Jinja2 templates in templates/email.

Layout and cards of an issue are rendered once, with placeholders for the values that differ between subscribers
(fragments.py). Other messages are rendered one by one. Titles, names and other foreign text pass digest/text.py and
are escaped by the template engine.
"""

import math
import re
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from digest.issues.issue import Issue
from digest.language import SOURCE, Language, Languages, _
from digest.ledger.kinds import OF_ISSUE, IssueKind, Kind
from digest.mail.compose.cards import EXCERPT, card_values, safe_url
from digest.mail.compose.notice_text import paragraphs
from digest.mail.compose.quoted_printable import placeholder, row_placeholder
from digest.mail.kinds import KINDS
from digest.mail.message import Branding, MessageParts
from digest.papers.paper import RankedPaper
from digest.templating import speak
from digest.text import breakable, cut, language_of, one_line, short_title, wrapped

# Follows the preheader, so that email clients do not add the first words of the message to it.
SPACER = "\u034f\u00a0" * 20
MANY = 2  # stands for any number above one
_ONLY = _(
    "You get only papers that match what you follow or are clearly like papers you liked. When there are none, we don’t"
    " email you."
)


@dataclass(frozen=True, slots=True)
class SubscriberLinks:
    """A subscriber's address and personal links."""

    address: str
    manage_url: str
    unsubscribe_url: str
    confirm_url: str = ""
    feedback_url: str = ""  # in issues; followed by the path of a paper or of the issue
    new_address: str = ""  # in emails about a change of address


@dataclass(frozen=True, slots=True)
class RenderedCard:
    """A paper in an issue, with placeholders for values that differ between subscribers."""

    html: str
    text: str


_NO_CARDS = RenderedCard("", "")
_PLACEHOLDERS = SubscriberLinks(
    placeholder("address"),
    placeholder("manage_url"),
    placeholder("unsubscribe_url"),
    feedback_url=placeholder("feedback"),
)


class Renderer:
    """Templates in one language, compiled once. `templates` is the folder that holds email/."""

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
        self._templates.filters.update(
            wrap=wrapped,
            short=short_title,
            whole=_whole,
            breakable=breakable,
            marks=partial(_marks, self.language.code),
        )

    def speaking(self, code: str) -> "Renderer":
        """The renderer for a language, by its tag; English for an unknown one."""
        return self if code == self.language.code else self._speaking(code)

    def render(self, kind: Kind, links: SubscriberLinks, branding: Branding) -> MessageParts:
        """Render a message that belongs to no issue."""
        return self._message(kind, _common_values(links, branding) | {"preheader": KINDS[kind].preheader})

    def layout(self, issue: Issue, branding: Branding, papers: int, left_out: int, is_cut: bool) -> MessageParts:
        """Render a message of `issue` with placeholders, one of them for the cards. Numbers above 1 count as MANY.

        `is_cut`: the issue has more papers than those in the message and those left out.
        """
        many = placeholder("papers")
        values = _issue_values(issue, branding, self.language) | {
            "papers": counted_papers(papers, self.language, many),
            "more": placeholder("more") if papers > 1 else "",
            "left_out": left_out_notice(left_out, self.language, placeholder("left_out")),
            "cut": cut_notice(papers, len(issue.pool), self.language, many) if is_cut else "",
            **{name: placeholder(name) for name in ("title", "preheader", "subject")},
        }
        cards = RenderedCard(row_placeholder("cards"), placeholder("cards"))
        return self._message(OF_ISSUE[issue.kind], _common_values(_PLACEHOLDERS, branding) | values, cards)

    def notice(self, issue: Issue, branding: Branding) -> MessageParts:
        """Render a notice with placeholders. Its text may be in another language than everything around it."""
        code, notice = issue.notice_in(self.language.code)
        values = {"notice": notice, "written": self.languages.get(code), "paragraphs": paragraphs(notice.text)}
        values |= {"issue_path": issue.path, "day_short": self.language.short_date(issue.date)}
        values |= {"day": self.language.long_date(issue.date)}
        values |= {name: placeholder(name) for name in ("preheader", "subject")}
        cards = RenderedCard(row_placeholder("cards"), placeholder("cards"))
        return self._message(Kind.NOTICE, _common_values(_PLACEHOLDERS, branding) | values, cards)

    def card(self, ranked: RankedPaper, branding: Branding, kind: str = IssueKind.DAILY) -> RenderedCard:
        differing = {name: placeholder(name) for name in ("position", "reason")}
        values = card_values(ranked, branding.public_url, _PLACEHOLDERS.feedback_url, self.language, kind)
        card = self._card("card", values | differing)
        return RenderedCard(card.html, card.text + "\n\n")

    def welcome(self) -> RenderedCard:
        """The greeting above the papers of a subscriber's first issue."""
        card = self._card("welcome", {"subscriber": _PLACEHOLDERS})
        return RenderedCard(card.html, card.text + "\n\n")

    def since(self, issue: Issue, since: date) -> RenderedCard:
        """The notice above the papers of the first message after days without one, from `since` on."""
        card = self._card("since", {"notice": withheld_notice(since, issue.date, self.language)})
        return RenderedCard(card.html, card.text + "\n\n")

    def only(self) -> RenderedCard:
        """The notice below the papers of someone who gets nothing but what they follow."""
        card = self._card("since", {"notice": self.language.say(_ONLY)})
        return RenderedCard(card.html, card.text + "\n")

    def _message(self, kind: Kind, values: dict[str, Any], cards: RenderedCard = _NO_CARDS) -> MessageParts:
        subject = self._render(f"{kind}/subject.txt", values)
        text = self._render(f"{kind}/body.txt", values | {"cards": cards.text}).strip("\n") + "\n"
        rows = Markup(cards.html)  # noqa: S704 - rendered by us
        html = self._render(f"{kind}/body.html", {"subject": one_line(subject)} | values | {"cards": rows})
        return MessageParts(subject, text, html.rstrip("\n") + "\n")

    def _card(self, name: str, values: dict[str, Any]) -> RenderedCard:
        html, text = (self._render(f"digest/{name}.{ending}", values) for ending in ("html", "txt"))
        return RenderedCard(html.strip() + "\n", text.strip("\n"))

    def _render(self, template: str, values: dict[str, Any]) -> str:
        return self._templates.get_template(f"email/{template}").render(values)


def _marks(code: str, text: str, says_language: bool = True) -> Markup:
    """Attributes of an element with foreign text in a message in the language `code`, where they are needed.

    Screen readers read Latin letters in a Chinese message as English if they are told to.
    """
    is_english = says_language and code != SOURCE and language_of(text) == SOURCE
    is_mixed = any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)
    return Markup(' lang="en"' * is_english + ' dir="auto"' * is_mixed)  # noqa: S704 - no text in it


def _whole(text: str) -> Markup:
    """The text with each word on one line: Chinese lines would break within words, and before one of one character."""
    if text.isascii():
        return Markup("{}").format(text)
    words = text.split()
    if len(words) > 1 and len(words[-1]) == 1:
        words[-2:] = [Markup("\u00a0").join(words[-2:])]
    return Markup(" ").join(Markup('<span style="white-space:nowrap">{}</span>').format(word) for word in words)


def _common_values(links: SubscriberLinks, branding: Branding) -> dict[str, Any]:
    return {"subscriber": links, "branding": branding, "contact_url": _contact_url(branding.contact), "spacer": SPACER}


def _issue_values(issue: Issue, branding: Branding, language: Language) -> dict[str, Any]:
    return {
        "day_short": language.short_date(issue.date),
        "date": language.long_date(issue.date),
        "issue_url": branding.public_url + issue.path,
        "issue_path": issue.path,  # after the feedback address, it opens the list that the subscriber was sent
        "note": cut(issue.note_in(language.code), EXCERPT, math.inf),  # the only one, so it has room in any script
    }


def counted_papers(papers: int, language: Language, many: str) -> str:
    """`1 paper`, `10 papers`. Here and below `many` stands for a number above one: its digits or a placeholder."""
    sentence = language.ngettext("%(num)s paper", "%(num)s papers", papers)
    return sentence % {"num": many if papers > 1 else "1"}


def left_out_notice(count: int, language: Language, many: str) -> str:
    """Says how many papers were left out; "" for none."""
    sentence = language.ngettext(
        "We left out %(num)s paper you’d already received.",
        "We left out %(num)s papers you’d already received.",
        count,
    )
    return sentence % {"num": many if count > 1 else "1"} if count else ""


def cut_notice(papers: int, pool: int, language: Language, many: str) -> str:
    """Says that the message was chosen from more papers."""
    sentence = language.ngettext(
        "%(num)s of %(pool)s papers, chosen for you",
        "%(num)s of %(pool)s papers, chosen for you",
        papers,
    )
    return sentence % {"num": many if papers > 1 else "1", "pool": language.number(pool)}


def withheld_notice(since: date, today: date, language: Language) -> str:
    """Says on which days no message went out, from `since` to yesterday."""
    last = today - timedelta(days=1)
    day_of = language.weekday if since > today - timedelta(days=7) else language.day_of
    if since >= last:
        return language.say(
            _(
                "We didn’t email you on %(day)s: too few papers were worth it. This issue covers that day too.",
                day=day_of(since),
            )
        )
    return language.say(
        _(
            "We didn’t email you from %(start)s to %(end)s: too few papers were worth it. This issue covers those days"
            " too.",
            start=day_of(since),
            end=day_of(last),
        )
    )


def frozen_branding(issue: Issue) -> Branding:
    """The operator's name and addresses at the cut of `issue`."""
    settings = issue.settings
    return Branding(settings.title, settings.public_url, settings.postal_address, settings.contact)


def _contact_url(contact: str) -> str:
    if re.fullmatch(r"[^\s@<>\"?&%]+@[^\s@<>\"?&%]+", contact):
        return f"mailto:{contact}"
    return safe_url(contact)

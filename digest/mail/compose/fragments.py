"""Cards and layouts of an issue, rendered and encoded once; its messages are joined from them.

They are stored with the issue, so that a retry is the same message after templates or code have changed.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cache
from itertools import product

from jinja2 import TemplateError
from pydantic import TypeAdapter
from sqlalchemy import Connection, select

from digest.database.dialect import insert_new
from digest.database.tables import fragments
from digest.issues.issue import Issue
from digest.issues.reasons import OUTSIDE
from digest.language import Language, _, joined_sentences
from digest.ledger.kinds import IssueKind
from digest.mail.compose.cards import IN_PREHEADER, IN_SUBJECT, sentence, short_name
from digest.mail.compose.quoted_printable import Pieces, encoded_pieces, split
from digest.mail.compose.render import MANY, RenderedCard, Renderer
from digest.mail.message import Branding
from digest.papers.paper import RankedPaper
from digest.text import columns, cut, one_line

# Errors of a template with one paper, as opposed to errors of the machine, such as running out of memory.
_UNFIT = (TemplateError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)

_SHORTEST_PREHEADER, _PREHEADER = 40, 120  # columns

_WORDING: dict[str, str] = {
    "also": _("Also: "),
    # Translators: the position of a paper in an email, such as: 3 of 10. Leave {number} and {count} as they are.
    "place": _("{number} of {count}"),
    # Translators: between the names of papers in a subject.
    "between": _(", "),
    # Translators: the names of all papers in a subject. Leave {names} and {last} as they are.
    "names": _("{names} and {last}"),
    "outside": OUTSIDE,
}
_EARLIEST_WORDING = {"also": "Also: ", "place": "{number} of {count}"}


@dataclass(frozen=True, slots=True)
class LayoutFragments:
    """A message without its cards. `text` and `html` are encoded, `subject` is not."""

    subject: Pieces
    text: Pieces
    html: Pieces


@dataclass(frozen=True, slots=True)
class CardFragments:
    """A paper in the messages of an issue, its name in a subject and in a preheader, and what it does."""

    text: Pieces
    html: Pieces
    subject: str
    preheader: str
    sentence: str = ""  # earlier versions stored none


@dataclass(frozen=True, slots=True)
class Fragments:
    """`forms` by layout_name(), `cards` and `unfit` by the paper's id; `preheader` is for messages of few papers.

    Field names are stored: renaming one here or in the classes above breaks issues that are being sent.
    """

    preheader: str
    forms: dict[str, LayoutFragments]
    cards: dict[str, CardFragments]
    unfit: dict[str, str]  # why a paper's card could not be rendered
    # Earlier versions stored no wording and no welcome, or a wording without "outside" (earlier_headline.py).
    wording: dict[str, str] = field(default_factory=_EARLIEST_WORDING.copy)
    welcome: tuple[Pieces, Pieces] = (("",), ("",))  # text and HTML, above the papers of a first issue
    is_inside_only: bool = False  # preheaders name no paper from outside a subscriber's interests; earlier ones could

    def to_json(self) -> str:
        """Serialize to one line, always the same for the same fragments."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, stored: str) -> "Fragments":
        return TypeAdapter(cls).validate_json(stored)


@cache
def layout_name(papers: int, left_out: int, is_cut: bool) -> str:
    """The stored name of a layout: one paper or many; none, one or many left out; the whole issue or part of it."""
    counts = f"{'one' if papers == 1 else 'many'} {('none', 'one', 'many')[min(left_out, MANY)]}"
    return f"{counts} cut" if is_cut else counts


def fragments_of(issue: Issue, branding: Branding, renderer: Renderer) -> Fragments:
    """Render an issue in the language of `renderer`. A card that fails does not affect the others.

    Raises jinja2.TemplateError for templates from which no message can be composed.
    """
    if issue.kind == IssueKind.NOTICE:
        return _of_notice(issue, branding, renderer)
    cards, unfit = card_fragments(issue, issue.papers, branding, renderer)
    # Without pages, there are no preferences to link to, and there is no welcome.
    welcome = renderer.welcome() if branding.public_url else RenderedCard("", "")
    language = renderer.language
    shapes = product((1, MANY), (0, 1, MANY), (False, True))
    return Fragments(
        preheader=quiet_preheader(issue, language),
        forms={layout_name(*shape): _layout(renderer, issue, branding, *shape) for shape in shapes},
        cards=cards,
        unfit=unfit,
        wording={name: language.say(words) for name, words in _WORDING.items()},
        welcome=(encoded_pieces(welcome.text), encoded_pieces(welcome.html)),
        is_inside_only=True,
    )


def _of_notice(issue: Issue, branding: Branding, renderer: Renderer) -> Fragments:
    parts = renderer.notice(issue, branding)
    layout = LayoutFragments(split(parts.subject), encoded_pieces(parts.text), encoded_pieces(parts.html))
    return Fragments(first_words(issue, branding, renderer.language), {layout_name(0, 0, False): layout}, {}, {})


def card_fragments(
    issue: Issue, papers: Sequence[RankedPaper], branding: Branding, renderer: Renderer
) -> tuple[dict[str, CardFragments], dict[str, str]]:
    """Cards, and the errors of those that failed, by the paper's id."""
    rendered, unfit = {}, {}
    for ranked in papers:
        try:
            rendered[ranked.paper.id] = _card(ranked, renderer.card(ranked, branding, issue.kind), renderer.language)
        except _UNFIT as problem:
            unfit[ranked.paper.id] = one_line(f"{type(problem).__name__}: {problem}")[:200]
    return rendered, unfit


def notice_fragments(issue: Issue, since: date | None, renderer: Renderer) -> CardFragments:
    """The notice, above the papers, that a message also covers the days from `since` on, without an email; for None
    the one below them, that their subscriber gets nothing but what they follow.
    """
    notice = renderer.since(issue, since) if since else renderer.only()
    return CardFragments(encoded_pieces(notice.text), encoded_pieces(notice.html), "", "")


def _layout(
    renderer: Renderer, issue: Issue, branding: Branding, papers: int, left_out: int, is_cut: bool
) -> LayoutFragments:
    parts = renderer.layout(issue, branding, papers, left_out, is_cut)
    return LayoutFragments(split(parts.subject), encoded_pieces(parts.text), encoded_pieces(parts.html))


def quiet_preheader(issue: Issue, language: Language) -> str:
    """Preheader of messages with too few papers to name."""
    return language.say(_("%(day)s: your papers, and why each one is here.", day=language.long_date(issue.date)))


def first_words(issue: Issue, branding: Branding, language: Language) -> str:
    """Preheader of a notice."""
    line = one_line(issue.notice_in(language.code)[1].text)
    if columns(line) < _SHORTEST_PREHEADER:
        about = language.say(_("This is a notice to all subscribers of %(title)s.", title=branding.title))
        line = joined_sentences([line, about])
    room = 9 * _PREHEADER  # bytes, so that a short Chinese one stays whole
    words = cut(line, _PREHEADER, room)
    return words if columns(words) <= _PREHEADER else cut(line, _PREHEADER // 2, room)


def _card(ranked: RankedPaper, card: RenderedCard, language: Language) -> CardFragments:
    return CardFragments(
        encoded_pieces(card.text),
        encoded_pieces(card.html),
        short_name(ranked.paper, IN_SUBJECT, language),
        short_name(ranked.paper, IN_PREHEADER, language),
        sentence(ranked.paper),
    )


# --- stored ---


def stored_fragments(connection: Connection, issue_id: int, language: str) -> str | None:
    """The fragments of an issue in one language, as JSON."""
    query = select(fragments.c.content).where(fragments.c.issue_id == issue_id, fragments.c.language == language)
    content: str | None = connection.execute(query).scalar()
    return content


def keep_fragments(connection: Connection, issue_id: int, language: str, content: str) -> str:
    """Store `content` unless another worker was faster, and return what is stored. It never changes afterwards."""
    row = {"issue_id": issue_id, "language": language, "content": content}
    connection.execute(insert_new(connection, fragments).values(row))
    return stored_fragments(connection, issue_id, language) or content

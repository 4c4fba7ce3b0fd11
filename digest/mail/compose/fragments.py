"""An issue → what its mails are joined from: cards and layout, rendered, inlined and encoded once.

Plain data, stored with the issue, so that a mail is the same mail after the templates, or this code, have changed.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any, TypeVar

from jinja2 import TemplateError

from digest.issues.issue import Issue
from digest.language import Language, _
from digest.mail.compose.cards import in_preheader, in_subject
from digest.mail.compose.quoted_printable import Pieces, encoded_pieces, split
from digest.mail.compose.render import MANY, Branding, CardTemplate, Renderer
from digest.papers.paper import RankedPaper

# What a template may raise over one paper; an error of the machine, such as no memory, is not among them.
_UNFIT = (TemplateError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)

_WORDING = {
    "also": _("Also: "),
    # Translators: the position of a paper in an email, such as: 3 of 10. Leave {number} and {count} as they are.
    "place": _("{number} of {count}"),
}

_NO_WELCOME = (("",), ("",))

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class FormFragments:
    """A mail without its cards. `subject` is as it is, `text` and `html` are encoded for the wire."""

    subject: Pieces
    text: Pieces
    html: Pieces


@dataclass(frozen=True, slots=True)
class CardFragments:
    """A paper in the mails of an issue; how it is named in a subject and in a preheader."""

    text: Pieces
    html: Pieces
    subject: str
    preheader: str


@dataclass(frozen=True, slots=True)
class Fragments:
    """`forms` by form_name(), `cards` and `unfit` by the paper's id; `preheader` is for mails of few papers.

    `wording` is what joining adds, in the language of the rest. `welcome` stands above the papers of a reader's first
    issue, its text and its HTML.
    """

    preheader: str
    forms: dict[str, FormFragments]
    cards: dict[str, CardFragments]
    unfit: dict[str, str]  # why a paper's card could not be made
    wording: dict[str, str]  # "also" begins a preheader, "place" is a paper's place in the mail
    welcome: tuple[Pieces, Pieces]

    def to_json(self) -> str:
        """One line; the same for the same fragments."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, stored: str) -> "Fragments":
        """What to_json() gave."""
        said = json.loads(stored)
        forms = {name: FormFragments(**_tuples(form)) for name, form in said["forms"].items()}
        cards = {paper: CardFragments(**_tuples(card)) for paper, card in said["cards"].items()}
        text, html = said.get("welcome", _NO_WELCOME)
        wording = said.get("wording", _WORDING)
        return cls(said["preheader"], forms, cards, said["unfit"], wording, (tuple(text), tuple(html)))


def form_name(papers: int, left_out: int, is_cut: bool) -> str:
    """Which of the prepared forms a mail has: one paper or several; none, one or several left out; all or the first."""
    counted = f"{'one' if papers == 1 else 'many'} {('none', 'one', 'many')[min(left_out, MANY)]}"
    return f"{counted} cut" if is_cut else counted


def fragments_of(issue: Issue, look: Branding, renderer: Renderer) -> Fragments:
    """Render an issue in the language of `renderer`.

    A paper whose card cannot be made is `unfit` and in the way of no other.

    Raises jinja2.TemplateError for templates that no mail can be made with.
    """
    drafts, unfit = _sorted_out(issue, lambda ranked: renderer.render_card(ranked, look, issue.kind))
    *made, welcome = renderer.inlined(issue, [*drafts.values(), renderer.welcome()], look)
    inlined = dict(zip(drafts, made, strict=True))
    language = renderer.language
    cards, not_encoded = _sorted_out(
        issue, lambda ranked: _card(ranked, inlined[ranked.paper.id], language), set(inlined)
    )
    return Fragments(
        preheader=quiet_preheader(issue, language),
        forms={
            form_name(*shape): _form(renderer, issue, look, *shape)
            for shape in product((1, MANY), (0, 1, MANY), (False, True))
        },
        cards=cards,
        unfit=unfit | not_encoded,
        wording={name: language.say(words) for name, words in _WORDING.items()},
        welcome=(encoded_pieces(welcome.text), encoded_pieces(welcome.html)),
    )


def _sorted_out(
    issue: Issue, make: Callable[[RankedPaper], _T], among: set[str] | None = None
) -> tuple[dict[str, _T], dict[str, str]]:
    """What could be made of the issue's papers, and what was in the way of the others, by the paper's id."""
    made: dict[str, _T] = {}
    failed: dict[str, str] = {}
    for ranked in issue.papers:
        if among is None or ranked.paper.id in among:
            try:
                made[ranked.paper.id] = make(ranked)
            except _UNFIT as problem:
                failed[ranked.paper.id] = f"{type(problem).__name__}: {problem}"[:200]
    return made, failed


def _form(renderer: Renderer, issue: Issue, look: Branding, papers: int, left_out: int, is_cut: bool) -> FormFragments:
    letter = renderer.digest_form(issue, look, papers, left_out, is_cut)
    return FormFragments(split(letter.subject), encoded_pieces(letter.text), encoded_pieces(letter.html))


def quiet_preheader(issue: Issue, language: Language) -> str:
    """Of mails with too few papers to name them."""
    day = language.long_date(issue.date)
    return language.say(_("%(day)s: your papers, and why each one is here.", day=day))


def _card(ranked: RankedPaper, card: CardTemplate, language: Language) -> CardFragments:
    named = in_subject(ranked.paper, language), in_preheader(ranked.paper, language)
    return CardFragments(encoded_pieces(card.text), encoded_pieces(card.html), *named)


def _tuples(stored: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in stored.items()}

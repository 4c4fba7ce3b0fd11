"""Fragments and one reader's values → the subject and body of their mail, at the cost of a few joins.

What repeats from mail to mail is encoded once: subjects, reasons, and everything that the fragments hold.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from itertools import chain
from typing import NamedTuple

from digest.issues.selection import Pick, Selection
from digest.mail.compose.fragments import CardFragments, FormFragments, Fragments, form_name
from digest.mail.compose.headers import UnfitMessage, check_fields, frame, subject_value
from digest.mail.compose.quoted_printable import LONGEST, SOFT, Pieces, encoded_value
from digest.text import cut, one_line, wrapped

REASON, REASON_ROOM = 90, 240  # characters and bytes of what a reader asked for: two reasons in Chinese
SHORTEST_PREHEADER = 40
_IN_PREHEADER = 3  # papers that it names
_SIMPLE = re.compile(r"[A-Za-z0-9_+@-][A-Za-z0-9._+@-]{,70}")  # addresses that stand in a mail as they are


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as it stands in the text and in the HTML."""

    text: bytes
    html: bytes


_NOTHING = Encoded(b"", b"")


@dataclass(frozen=True, slots=True)
class SubscriberValues:
    """What is to stand in the holes of a form for one reader."""

    text: dict[str, bytes]
    html: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Subject:
    """Of the mails that begin with the same paper and hold as many."""

    header: str  # as in the header section, folded
    html: bytes


class IssueTemplate:
    """The mails of one issue, without what the header section says."""

    def __init__(self, fragments: Fragments, boundary: str) -> None:
        self._unfit = fragments.unfit
        self._frame = frame(boundary)
        self._pool = len(fragments.cards) + len(fragments.unfit)
        self._subjects = {name: form.subject for name, form in fragments.forms.items()}
        self._forms = {name: _Form(form) for name, form in fragments.forms.items()}
        self._cards = {paper_id: _Card(card) for paper_id, card in fragments.cards.items()}
        self._welcome_text, self._welcome_html = map(_Segments, fragments.welcome)
        self.may_have_dots = _may_have_dots(fragments)
        self._quiet = encoded_value(escape(fragments.preheader))
        self._also = encoded_value(escape(fragments.wording["also"])) + SOFT
        self.subject = lru_cache(maxsize=5_000)(self._subject)
        self._why = lru_cache(maxsize=5_000)(_reason)
        self._positions = lru_cache(maxsize=100)(lambda count: _positions(fragments.wording["place"], count))

    def body(self, selection: Selection, reader: "SubscriberValues") -> list[bytes]:
        """From the first boundary to the last, in pieces. Raises UnfitMessage for a paper without a card."""
        picks, count = selection.picks, len(selection.picks)
        cards = self._cards_of(picks)
        counted = {"papers": b"%d" % count, "left_out": f"{selection.left_out:,}".encode("ascii")}
        text, html = reader.text | counted, reader.html | counted
        html["subject"] = self.subject(picks[0].paper_id, count).html
        html["preheader"] = self._preheader(cards)
        is_cut = self._pool > count + selection.left_out
        form = self._forms[form_name(count, selection.left_out, is_cut)]
        before_text, before_html, end = self._frame
        texts = [before_text, *form.text.above.filled(text)]
        htmls = [before_html, *form.html.above.filled(html)]
        if selection.first:
            texts += self._welcome_text.filled(text)
            htmls += self._welcome_html.filled(html)
        for card, pick, position in zip(cards, picks, self._positions(count), strict=True):
            why = self._why(pick.why) if pick.why else _NOTHING
            text["position"], text["why"] = position, why.text
            html["position"], html["why"] = position, why.html
            texts += card.text.filled(text)
            htmls += card.html.filled(html)
        return [*texts, *form.text.below.filled(text), *htmls, *form.html.below.filled(html), end]

    def _cards_of(self, picks: Sequence[Pick]) -> list["_Card"]:
        try:
            return [self._cards[pick.paper_id] for pick in picks]
        except KeyError as unknown:
            paper_id = str(unknown.args[0])
            raise UnfitMessage(f"no card of {paper_id}: {self._unfit.get(paper_id, 'not in the issue')}") from None

    def _preheader(self, cards: Sequence["_Card"]) -> bytes:
        """What is inside beside the paper that the subject names."""
        named = cards[1 : 1 + _IN_PREHEADER]
        if sum([card.preheader_length + 2 for card in named]) + 4 < SHORTEST_PREHEADER:
            return self._quiet
        return self._also + b"".join([card.in_preheader for card in named[:-1]]) + named[-1].last_in_preheader

    def _subject(self, paper_id: str, count: int) -> Subject:
        """Raises UnfitMessage for a paper without a card, or words that would be a header field of their own."""
        if paper_id not in self._cards:
            self._cards_of([Pick(paper_id, "")])
        said = {"title": self._cards[paper_id].subject, "more": str(count - 1)}
        pieces = list(self._subjects[form_name(count, 0, is_cut=False)])
        pieces[1::2] = [said[name] for name in pieces[1::2]]
        line = one_line("".join(pieces))
        header = subject_value(line)
        check_fields([("Subject", header)])
        return Subject(header, encoded_value(escape(line)))


class _Segments:
    """A text with holes, ready to be filled."""

    __slots__ = ("_holes", "_parts", "_plain")

    def __init__(self, pieces: Pieces) -> None:
        self._parts = [piece.encode("ascii") for piece in pieces]
        self._holes = [(at, pieces[at]) for at in range(1, len(pieces), 2)]
        self._plain = _without_why(self._parts, self._holes)

    def filled(self, values: Mapping[str, bytes]) -> list[bytes]:
        """What is to be joined; `values` by the names of the holes."""
        parts = self._parts.copy() if values.get("why") else self._plain.copy()
        for at, name in self._holes:
            parts[at] = values[name]
        return parts


class _Around(NamedTuple):
    """What stands above the cards of a mail, and what below."""

    above: _Segments
    below: _Segments


class _Form:
    """A mail without its cards, ready to be filled."""

    __slots__ = ("html", "text")

    def __init__(self, form: FormFragments) -> None:
        self.text, self.html = _around_cards(form.text), _around_cards(form.html)


def _around_cards(pieces: Pieces) -> _Around:
    holes = pieces[1::2]
    places = holes.count("cards")
    if places != 1:
        raise UnfitMessage(f"the template of the mail needs one place for its cards, and has {places}")
    at = 2 * holes.index("cards") + 1
    return _Around(_Segments(pieces[:at]), _Segments(pieces[at + 1 :]))


class _Card:
    """A card, ready to be filled."""

    __slots__ = ("html", "in_preheader", "last_in_preheader", "preheader_length", "subject", "text")

    def __init__(self, card: CardFragments) -> None:
        self.text, self.html = _Segments(card.text), _Segments(card.html)
        self.subject = card.subject
        self.preheader_length = len(card.preheader)
        self.in_preheader = encoded_value(escape(f"{card.preheader}; ")) + SOFT
        self.last_in_preheader = encoded_value(escape(card.preheader))


def _may_have_dots(fragments: Fragments) -> bool:
    """Whether a line of a mail may begin with a dot. Values never do (quoted_printable.py), nor does
    this version's encoding of the fragments, but they may be of another.
    """
    sheets: list[FormFragments | CardFragments] = [*fragments.forms.values(), *fragments.cards.values()]
    pieces = chain(*((sheet.text, sheet.html) for sheet in sheets), fragments.welcome)
    return any(literal.startswith(".") or "\n." in literal for one in pieces for literal in one)


def encoded_address(address: str) -> Encoded:
    """An address as it is read in text and HTML."""
    if _SIMPLE.fullmatch(address):
        plain = address.encode("ascii")
        return Encoded(plain, plain)
    return Encoded(encoded_value(address), encoded_value(escape(address)))


def url_start(url: str, room: int) -> Encoded:
    """The same part of many addresses; `room` characters that need no encoding still fit behind it on the line."""
    return Encoded(_with_room(encoded_value(url), room), _with_room(encoded_value(escape(url)), room))


def _with_room(encoded: bytes, room: int) -> bytes:
    last = encoded[encoded.rfind(b"\n") + 1 :]
    return encoded if len(last) + room < LONGEST else encoded + SOFT


def _reason(why: str) -> Encoded:
    said = f"· {cut(why, REASON, REASON_ROOM)}"
    return Encoded(encoded_value("\n" + wrapped(said)), encoded_value(escape(f" {said}", quote=False)))


def _positions(wording: str, count: int) -> list[bytes]:
    return [encoded_value(wording.format(number=number, count=count)) for number in range(1, count + 1)]


def _without_why(parts: Sequence[bytes], holes: Iterable[tuple[int, str]]) -> list[bytes]:
    """The parts around a reason that is not there, without the line breaks that would have set it apart."""
    plain = list(parts)
    for at, name in holes:
        if name == "why":
            plain[at - 1] = plain[at - 1].removesuffix(SOFT)
    return plain

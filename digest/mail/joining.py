"""Fragments and one reader's values → the subject and body of their mail, at the cost of a few joins.

What repeats from mail to mail is encoded once: subjects, reasons, and everything that the fragments hold.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape

from digest.issues.selection import Pick, Selection
from digest.mail.compose import UnfitMessage, check_fields, frame, subject_value
from digest.mail.fragments import CardPieces, Form, Fragments, form_name
from digest.mail.quoted import LONGEST, SOFT, Pieces, encoded_value
from digest.mail.words import cut, one_line, wrapped

REASON = 90  # characters of what a reader asked for
SHORTEST_PREHEADER = 40
_IN_PREHEADER = 3  # papers that it names
_SIMPLE = re.compile(r"[A-Za-z0-9_+@-][A-Za-z0-9._+@-]{,70}")  # addresses that stand in a mail as they are


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as it stands in the text and in the HTML."""

    text: bytes
    html: bytes


_NOTHING = Encoded(b"", b"")
_FEEDBACK = b"\0"  # where the cards have the reader's feedback address; no encoded text holds it


@dataclass(frozen=True, slots=True)
class ReaderValues:
    """What is to stand in the holes of a form for one reader."""

    text: dict[str, bytes]
    html: dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Subject:
    """Of the mails that begin with the same paper and hold as many."""

    header: str  # as in the header section, folded
    html: bytes


class Joiner:
    """The mails of one issue, without what the header section says."""

    def __init__(self, fragments: Fragments, boundary: str) -> None:
        self._unfit = fragments.unfit
        self._pool = len(fragments.cards) + len(fragments.unfit)
        self._subjects = {name: form.subject for name, form in fragments.forms.items()}
        self._forms = {name: _Sheet(form, boundary) for name, form in fragments.forms.items()}
        self._cards = {paper_id: _Card(card) for paper_id, card in fragments.cards.items()}
        self._quiet = encoded_value(escape(fragments.preheader))
        self._also = encoded_value("Also: ") + SOFT
        self.subject = lru_cache(maxsize=5_000)(self._subject)
        self._why = lru_cache(maxsize=5_000)(_reason)
        self._positions = lru_cache(maxsize=100)(_positions)

    def body(self, selection: Selection, reader: "ReaderValues") -> bytes:
        """From the first boundary to the last. Raises UnfitMessage for a paper without a card."""
        picks, count = selection.picks, len(selection.picks)
        cards = self._cards_of(picks)
        texts, htmls = [], []
        for card, pick, position in zip(cards, picks, self._positions(count), strict=True):
            why = self._why(pick.why) if pick.why else _NOTHING
            texts.append(card.text.filled(position, why.text))
            htmls.append(card.html.filled(position, why.html))
        counted = {"papers": b"%d" % count, "left_out": f"{selection.left_out:,}".encode("ascii")}
        text = reader.text | counted
        html = reader.html | counted
        html["subject"] = self.subject(picks[0].paper_id, count).html
        html["preheader"] = self._preheader(cards)
        is_cut = self._pool > count + selection.left_out
        all_texts = b"".join(texts).replace(_FEEDBACK, text["feedback"])
        all_htmls = b"".join(htmls).replace(_FEEDBACK, html["feedback"])
        return self._forms[form_name(count, selection.left_out, is_cut)].filled(text, all_texts, html, all_htmls)

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


class _Sheet:
    """A form, ready to be filled: text, HTML and what stands between them in one row."""

    def __init__(self, form: Form, boundary: str) -> None:
        before_text, before_html, end = frame(boundary)
        self._parts = [before_text, *_bytes(form.text), before_html, *_bytes(form.html), end]
        self._in_text = _places(form.text, 1)
        self._in_html = _places(form.html, len(form.text) + 2)
        self._texts = _places(form.text, 1, "cards")
        self._htmls = _places(form.html, len(form.text) + 2, "cards")

    def filled(self, text: Mapping[str, bytes], texts: bytes, html: Mapping[str, bytes], htmls: bytes) -> bytes:
        """`texts` and `htmls` are the cards; the mappings say what stands in the other holes."""
        parts = self._parts.copy()
        for at, name in self._in_text:
            parts[at] = text[name]
        for at, name in self._in_html:
            parts[at] = html[name]
        for at, _ in self._htmls:
            parts[at] = htmls
        for at, _ in self._texts:
            parts[at] = texts
        return b"".join(parts)


class _Half:
    """The text or the HTML of a card. Its literals are grouped so that a join fills every hole of one name.

    The reader's feedback address is the same in all cards of a mail: it is filled in once they are together.
    """

    __slots__ = ("_groups", "_plain")

    def __init__(self, pieces: Pieces) -> None:
        groups: list[list[bytes]] = [[pieces[0].encode("ascii")]]
        for at in range(1, len(pieces), 2):
            literal = pieces[at + 1].encode("ascii")
            if pieces[at] == "feedback":
                groups[-1][-1] += _FEEDBACK + literal
            elif pieces[at] == "why":
                groups[-1].append(literal)
            else:
                groups.append([literal])
        self._groups = tuple(tuple(group) for group in groups)
        self._plain = tuple(_without_holes(group) for group in groups)

    def filled(self, position: bytes, why: bytes) -> bytes:
        return position.join([why.join(group) for group in self._groups] if why else self._plain)


class _Card:
    """A card, ready to be filled."""

    __slots__ = ("html", "in_preheader", "last_in_preheader", "preheader_length", "subject", "text")

    def __init__(self, card: CardPieces) -> None:
        self.text, self.html = _Half(card.text), _Half(card.html)
        self.subject = card.subject
        self.preheader_length = len(card.preheader)
        self.in_preheader = encoded_value(escape(f"{card.preheader}; ")) + SOFT
        self.last_in_preheader = encoded_value(escape(card.preheader))


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
    said = f"· {cut(why, REASON)}"
    return Encoded(encoded_value("\n" + wrapped(said)), encoded_value(escape(f" {said}", quote=False)))


def _positions(count: int) -> list[bytes]:
    return [f"{number} of {count}".encode("ascii") for number in range(1, count + 1)]


def _without_holes(group: Iterable[bytes]) -> bytes:
    """The literals around a hole that stays empty, without the line breaks that would have set it apart."""
    joined, *rest = group
    for literal in rest:
        joined = joined.removesuffix(SOFT) + literal
    return joined


def _places(pieces: Pieces, first: int, of: str = "") -> tuple[tuple[int, str], ...]:
    """Where the holes are when `pieces` begin at `first`, last one first: those named `of`, or all but the cards."""
    names = ((at + first, pieces[at]) for at in range(len(pieces) - 2, 0, -2))
    return tuple((at, name) for at, name in names if (name == of if of else name != "cards"))


def _bytes(pieces: Pieces) -> list[bytes]:
    return [piece.encode("ascii") for piece in pieces]

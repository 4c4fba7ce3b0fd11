"""Joins fragments and the values of one subscriber into the subject and body of a message.

Subjects, reasons and fragments, which many messages share, are encoded once.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from html import escape
from itertools import chain
from typing import NamedTuple

from digest.issues.selection import Pick, Selection
from digest.mail.compose.fragments import SHAPES, CardFragments, Fragments, LayoutFragments, layout_name
from digest.mail.compose.headers import UnfitMessage, check_fields, frame, subject_value
from digest.mail.compose.quoted_printable import LONGEST, SOFT, Pieces, encoded_value
from digest.mail.compose.render import MANY
from digest.text import cut, one_line, wrapped

REASON, REASON_ROOM = 90, 240  # the longest reason, in characters and in bytes (two reasons in Chinese)
SHORTEST_PREHEADER = 40
_IN_PREHEADER = 3  # papers that it names
_SIMPLE = re.compile(r"[A-Za-z0-9_+@-][A-Za-z0-9._+@-]{,70}")  # addresses that need no encoding


class Encoded(NamedTuple):
    """A value encoded for the text and for the HTML."""

    text: bytes
    html: bytes


_NOTHING = Encoded(b"", b"")


class Subject(NamedTuple):
    """Shared by messages with the same first paper and the same number of papers."""

    header: str  # folded
    html: bytes


class IssueTemplate:
    """Subjects and bodies of the messages of one issue."""

    def __init__(self, fragments: Fragments, boundary: str) -> None:
        self._unfit = fragments.unfit
        self._frame = frame(boundary)
        self._pool = len(fragments.cards) + len(fragments.unfit)
        forms = fragments.forms
        layouts = {shape: forms[name] for shape in SHAPES if (name := layout_name(*shape)) in forms}
        self._subjects = {shape: layout.subject for shape, layout in layouts.items()}
        self._layouts = {
            shape: (_around_cards(layout.text), _around_cards(layout.html)) for shape, layout in layouts.items()
        }
        self._cards = {paper_id: _Card(card) for paper_id, card in fragments.cards.items()}
        self._welcome_text, self._welcome_html = map(Segments, fragments.welcome)
        self.may_have_dots = _may_have_dots(fragments)
        self._quiet_preheader = encoded_value(escape(fragments.preheader))
        self._also = encoded_value(escape(fragments.wording["also"])) + SOFT
        self.subject = lru_cache(maxsize=5_000)(self._subject)
        self._reason = lru_cache(maxsize=5_000)(_reason)
        self._positions = lru_cache(maxsize=100)(lambda count: _positions(fragments.wording["place"], count))

    def body(self, selection: Selection, values: Mapping[str, Encoded]) -> list[bytes]:
        """Join the body, from the first boundary to the last. Raises UnfitMessage for a paper without a card."""
        picks, count = selection.picks, len(selection.picks)
        cards = self._cards_of(picks)
        counts = {"papers": b"%d" % count, "left_out": f"{selection.left_out:,}".encode("ascii")}
        text = {name: value.text for name, value in values.items()} | counts
        html = {name: value.html for name, value in values.items()} | counts
        html["subject"] = self.subject(picks[0].paper_id, count).html
        html["preheader"] = self._preheader(cards)
        is_cut = self._pool > count + selection.left_out
        text_around, html_around = self._layouts[min(count, MANY), min(selection.left_out, MANY), is_cut]
        before_text, before_html, end = self._frame
        texts = [before_text, *text_around.above.filled(text)]
        htmls = [before_html, *html_around.above.filled(html)]
        if selection.first:
            texts += self._welcome_text.filled(text)
            htmls += self._welcome_html.filled(html)
        for card, pick, position in zip(cards, picks, self._positions(count), strict=True):
            why = self._reason(pick.why) if pick.why else _NOTHING
            text["position"], text["why"] = position, why.text
            html["position"], html["why"] = position, why.html
            texts += card.text.filled(text)
            htmls += card.html.filled(html)
        return [*texts, *text_around.below.filled(text), *htmls, *html_around.below.filled(html), end]

    def _cards_of(self, picks: Sequence[Pick]) -> list["_Card"]:
        try:
            return [self._cards[pick.paper_id] for pick in picks]
        except KeyError as missing:
            paper_id = str(missing.args[0])
            raise UnfitMessage(f"no card of {paper_id}: {self._unfit.get(paper_id, 'not in the issue')}") from None

    def _preheader(self, cards: Sequence["_Card"]) -> bytes:
        """The preheader, which names the papers after the one in the subject."""
        named = cards[1 : 1 + _IN_PREHEADER]
        if sum([card.preheader_length + 2 for card in named]) + 4 < SHORTEST_PREHEADER:
            return self._quiet_preheader
        return self._also + b"".join([card.in_preheader for card in named[:-1]]) + named[-1].last_in_preheader

    def _subject(self, paper_id: str, count: int) -> Subject:
        """Raises UnfitMessage for a paper without a card, or words that would add a header field."""
        (card,) = self._cards_of([Pick(paper_id, "")])
        values = {"title": card.subject, "more": str(count - 1)}
        pieces = list(self._subjects[min(count, MANY), 0, False])
        pieces[1::2] = [values[name] for name in pieces[1::2]]
        line = one_line("".join(pieces))
        header = subject_value(line)
        check_fields([("Subject", header)])
        return Subject(header, encoded_value(escape(line)))


class Segments:
    """A text split at its placeholders, ready to be filled."""

    __slots__ = ("_parts", "_placeholders", "_without_why")

    def __init__(self, pieces: Pieces) -> None:
        self._parts = [piece.encode("ascii") for piece in pieces]
        self._placeholders = [(index, pieces[index]) for index in range(1, len(pieces), 2)]
        # Without a reason, the line break before it goes too.
        self._without_why = self._parts.copy()
        for index, name in self._placeholders:
            if name == "why":
                self._without_why[index - 1] = self._without_why[index - 1].removesuffix(SOFT)

    def filled(self, values: Mapping[str, bytes]) -> list[bytes]:
        """The pieces to join, with `values` in place of the placeholders of the same name."""
        parts = self._parts.copy() if values.get("why") else self._without_why.copy()
        for index, name in self._placeholders:
            parts[index] = values[name]
        return parts


class _Around(NamedTuple):
    above: Segments
    below: Segments


def _around_cards(pieces: Pieces) -> _Around:
    names = pieces[1::2]
    if names.count("cards") != 1:
        raise UnfitMessage(f"the template needs one place for the cards and has {names.count('cards')}")
    index = 2 * names.index("cards") + 1
    return _Around(Segments(pieces[:index]), Segments(pieces[index + 1 :]))


class _Card:
    __slots__ = ("html", "in_preheader", "last_in_preheader", "preheader_length", "subject", "text")

    def __init__(self, card: CardFragments) -> None:
        self.text, self.html = Segments(card.text), Segments(card.html)
        self.subject = card.subject
        self.preheader_length = len(card.preheader)
        self.in_preheader = encoded_value(escape(f"{card.preheader}; ")) + SOFT
        self.last_in_preheader = encoded_value(escape(card.preheader))


def _may_have_dots(fragments: Fragments) -> bool:
    """Check for lines that begin with a dot. This version encodes none, but others may have stored some."""
    rendered: list[LayoutFragments | CardFragments] = [*fragments.forms.values(), *fragments.cards.values()]
    texts = chain(*((fragment.text, fragment.html) for fragment in rendered), fragments.welcome)
    return any(literal.startswith(".") or "\n." in literal for pieces in texts for literal in pieces)


def encoded_address(address: str) -> Encoded:
    if _SIMPLE.fullmatch(address):
        plain = address.encode("ascii")
        return Encoded(plain, plain)
    return Encoded(encoded_value(address), encoded_value(escape(address)))


def url_start(url: str, room: int) -> Encoded:
    """The shared start of URLs, with room for `room` unencoded characters on its last line."""
    return Encoded(_with_room(encoded_value(url), room), _with_room(encoded_value(escape(url)), room))


def _with_room(encoded: bytes, room: int) -> bytes:
    last = encoded[encoded.rfind(b"\n") + 1 :]
    return encoded if len(last) + room < LONGEST else encoded + SOFT


def _reason(why: str) -> Encoded:
    reason = f"· {cut(why, REASON, REASON_ROOM)}"
    return Encoded(encoded_value("\n" + wrapped(reason)), encoded_value(escape(f" {reason}", quote=False)))


def _positions(wording: str, count: int) -> list[bytes]:
    return [encoded_value(wording.format(number=number, count=count)) for number in range(1, count + 1)]

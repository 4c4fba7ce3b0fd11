"""Joins fragments and the values of one subscriber into the subject and body of a message.

Subjects, reasons and fragments, which many messages share, are encoded once.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from html import escape
from itertools import chain
from typing import NamedTuple

from digest.issues.selection import Selection
from digest.mail.compose.earlier_headline import EarlierHeadlines
from digest.mail.compose.fragments import CardFragments, Fragments, LayoutFragments, layout_name
from digest.mail.compose.further_cards import ONLY, FurtherCards, notice_name
from digest.mail.compose.headers import frame
from digest.mail.compose.headline import Headline, Headlines, PaperNames
from digest.mail.compose.quoted_printable import LONGEST, SOFT, Pieces, encoded_value
from digest.mail.message import UnfitMessage
from digest.text import cut, wrapped

REASON, REASON_ROOM = 90, 240  # the longest reason, in characters and in bytes (two reasons in Chinese)
_MOST_FURTHER = 500  # cards beyond the best that are kept in memory
_SIMPLE = re.compile(r"[A-Za-z0-9_+@-][A-Za-z0-9._+@-]{,70}")  # addresses that need no encoding


class Encoded(NamedTuple):
    """Bytes for the text and for the HTML: of a value, or of a template for the operator %."""

    text: bytes
    html: bytes


Values = dict[bytes, bytes]  # by the names of their placeholders


class IssueTemplate:
    """Subjects and bodies of the messages of one issue."""

    def __init__(self, fragments: Fragments, boundary: str, papers: int, further: FurtherCards | None = None) -> None:
        """`papers`: of the whole pool."""
        self._fragments = fragments
        self._further = further
        self._frame = frame(boundary)
        self._pool = papers
        self._layouts = {
            name: (_around_cards(form.text), _around_cards(form.html)) for name, form in fragments.forms.items()
        }
        self._best = {paper_id: _Card(card) for paper_id, card in fragments.cards.items()}
        self._cards = self._best.copy()
        self._welcome = Encoded(*map(_template, fragments.welcome))
        welcome = CardFragments(*fragments.welcome, "", "")
        self.may_have_dots = _may_have_dots([*fragments.forms.values(), *fragments.cards.values(), welcome])
        is_earlier = "outside" not in fragments.wording
        self._headlines = (EarlierHeadlines if is_earlier else Headlines)(fragments, self._names_of)
        self._reason = lru_cache(maxsize=5_000)(_earlier_reason if is_earlier else _reason)
        self._reason_name = b"why" if is_earlier else b"reason"
        self._positions = lru_cache(maxsize=100)(lambda count: _positions(fragments.wording["place"], count))

    def headline(self, selection: Selection) -> Headline:
        """Raises UnfitMessage for a paper without a card."""
        self._cards_of([pick.paper_id for pick in selection.picks])  # those that are missing at once
        return self._headlines.of(selection.picks)

    def _names_of(self, paper_id: str) -> PaperNames:
        return self._cards_of([paper_id])[0].names

    def body(self, selection: Selection, text: Values, html: Values) -> list[bytes]:
        """Fill the body, from the first boundary to the last. Raises UnfitMessage for a paper without a card.

        `text` and `html` have the subscriber's address and links, and `html` subject and preheader; the other values
        are added.
        """
        picks, count = selection.picks, len(selection.picks)
        cards = self._cards_of([pick.paper_id for pick in picks])
        text[b"papers"] = html[b"papers"] = b"%d" % count
        text[b"left_out"] = html[b"left_out"] = f"{selection.left_out:,}".encode("ascii")
        is_cut = not selection.only and self._pool > count + selection.left_out
        name = layout_name(count, selection.left_out, is_cut)
        (text_above, text_below), (html_above, html_below) = self._layouts[name]
        before_text, before_html, end = self._frame
        texts = [before_text, text_above % text]
        htmls = [before_html, html_above % html]
        if selection.since:
            (notice,) = self._cards_of([notice_name(selection.since)])
            texts.append(notice.without_why.text % text)
            htmls.append(notice.without_why.html % html)
        if selection.first:
            texts.append(self._welcome.text % text)
            htmls.append(self._welcome.html % html)
        name_of_reason = self._reason_name
        for card, pick, position in zip(cards, picks, self._positions(count), strict=True):
            text[b"position"] = html[b"position"] = position
            if pick.why:
                text[name_of_reason], html[name_of_reason] = self._reason(pick.why)
            template = card.with_why if pick.why else card.without_why
            texts.append(template.text % text)
            htmls.append(template.html % html)
        if selection.only:
            (notice,) = self._cards_of([ONLY])
            texts.append(notice.without_why.text % text)
            htmls.append(notice.without_why.html % html)
        return [*texts, text_below % text, *htmls, html_below % html, end]

    def _cards_of(self, names: Sequence[str]) -> list["_Card"]:
        try:
            return [self._cards[name] for name in names]
        except KeyError:
            self._read_further(names)
            return [self._cards[name] for name in names]

    def _read_further(self, names: Sequence[str]) -> None:
        if len(self._cards) > len(self._best) + _MOST_FURTHER:
            self._cards = self._best.copy()
        missing = [name for name in names if name not in self._cards]
        unfit = [name for name in missing if self._further is None or name in self._fragments.unfit]
        if self._further is None or unfit:
            raise UnfitMessage(f"no card of {unfit[0]}: {self._fragments.unfit.get(unfit[0], 'not in the issue')}")
        cards = self._further.get(missing)
        self._cards |= {name: _Card(card) for name, card in cards.items()}
        self.may_have_dots = self.may_have_dots or _may_have_dots(cards.values())


class _Card:
    __slots__ = ("names", "with_why", "without_why")

    def __init__(self, card: CardFragments) -> None:
        self.with_why = Encoded(_template(card.text), _template(card.html))
        self.without_why = Encoded(_template(card.text, why=False), _template(card.html, why=False))
        self.names = PaperNames(card)


def _around_cards(pieces: Pieces) -> tuple[bytes, bytes]:
    """The templates above and below the cards."""
    names = pieces[1::2]
    if names.count("cards") != 1:
        raise UnfitMessage(f"the template needs one place for the cards and has {names.count('cards')}")
    index = 2 * names.index("cards") + 1
    return _template(pieces[:index]), _template(pieces[index + 1 :])


def _template(pieces: Pieces, why: bool = True) -> bytes:
    """A template for the operator %. Without the reason, the rank begins the line, with a capital letter.

    Cards of earlier versions have the reason after the rank, by the name "why"; without, the line break before it goes.
    """
    parts = [piece.encode("ascii").replace(b"%", b"%%") for piece in pieces]
    for index in range(1, len(parts), 2):
        if why or pieces[index] not in ("why", "reason"):
            parts[index] = b"%%(%b)b" % parts[index]
        elif pieces[index] == "why":
            parts[index - 1 : index + 1] = [parts[index - 1].removesuffix(SOFT), b""]
        else:
            rank = parts[index + 1].removeprefix(SOFT)
            parts[index : index + 2] = [b"", rank[:1].upper() + rank[1:]]
    return b"".join(parts)


def _may_have_dots(fragments: Iterable[LayoutFragments | CardFragments]) -> bool:
    """Check for lines that begin with a dot. This version encodes none, but others may have stored some."""
    texts = chain.from_iterable((fragment.text, fragment.html) for fragment in fragments)
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
    reason = cut(why[:1].upper() + why[1:], REASON, REASON_ROOM)
    line = wrapped(reason) + "\n" if reason else ""  # nothing is left of control characters alone
    return Encoded(encoded_value(line), encoded_value(escape(f"{reason} · ", quote=False) if reason else ""))


def _earlier_reason(why: str) -> Encoded:
    reason = f"· {cut(why, REASON, REASON_ROOM)}"
    return Encoded(encoded_value("\n" + wrapped(reason)), encoded_value(escape(f" {reason}", quote=False)))


def _positions(wording: str, count: int) -> list[bytes]:
    return [encoded_value(wording.format(number=number, count=count)) for number in range(1, count + 1)]

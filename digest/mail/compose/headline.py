"""Subject and preheader of an issue's messages, which name papers. Pure."""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape
from typing import NamedTuple

from digest.issues.selection import Pick
from digest.mail.compose.fragments import CardFragments, Fragments, layout_name
from digest.mail.compose.headers import check_fields, subject_value
from digest.mail.compose.quoted_printable import SOFT, encoded_value
from digest.text import columns, cut, one_line

SHORTEST_PREHEADER = 40  # columns
_SUBJECT, _PREHEADER = 60, 110  # characters; columns
_IN_SUBJECT = 3  # papers
_SHOUTED = re.compile(r"[A-Z]{4,}(?:\W+[A-Z]{4,}){2}")


class Headline(NamedTuple):
    """The subject, folded for the header and encoded for the HTML, and the preheader that an inbox shows after it."""

    subject: str
    subject_in_html: bytes
    preheader: bytes


class PaperNames:
    """The names of a paper, encoded once."""

    __slots__ = ("columns", "in_preheader", "last_in_preheader", "preheader", "sentence", "subject")

    def __init__(self, card: CardFragments) -> None:
        self.subject, self.preheader, self.sentence = card.subject, card.preheader, card.sentence
        self.columns = columns(card.preheader)
        self.in_preheader = encoded_value(escape(f"{card.preheader}; ")) + SOFT
        self.last_in_preheader = encoded_value(escape(card.preheader))

    @property
    def is_name(self) -> bool:
        """Return False for a title that was cut."""
        return not self.subject.endswith("…")


NamesOf = Callable[[str], PaperNames]  # by a paper's id; raises UnfitMessage for a paper without a card


class Headlines:
    """The headlines of one issue's messages in one language."""

    def __init__(self, fragments: Fragments, names_of: NamesOf) -> None:
        self._forms, self._wording, self._quiet = fragments.forms, fragments.wording, fragments.preheader
        self._names_of, self._is_inside_only = names_of, fragments.is_inside_only
        self._also = encoded_value(escape(self._wording["also"])) + SOFT
        self._room = _PREHEADER - columns(self._wording["also"])
        self._subject = lru_cache(maxsize=5_000)(self._new_subject)
        self._alone = lru_cache(maxsize=1_000)(self._new_alone)

    def of(self, picks: Sequence[Pick]) -> Headline:
        """Raises UnfitMessage for a paper without a card, or words that would add a header field."""
        outside = self._wording["outside"]
        inside = [pick.paper_id for pick in picks if pick.why != outside] or [pick.paper_id for pick in picks]
        subject, in_html, named = self._subject(tuple(inside[:_IN_SUBJECT]), len(picks))
        told = inside if self._is_inside_only else [pick.paper_id for pick in picks]
        return Headline(subject, in_html, self._preheader(told, len(picks), named))

    def _new_subject(self, ids: tuple[str, ...], count: int) -> tuple[str, bytes, tuple[str, ...]]:
        """The subject for the header and for the HTML, and the ids of the papers that it names."""
        named, names = ids[:1], [self._first_name(ids[0], count)] if ids else []
        if not names or not names[0].endswith("…"):
            for paper_id in ids[1:]:
                paper = self._names_of(paper_id)
                longer = self._line([*names, paper.subject], count)
                if paper.is_name and len(longer) <= _SUBJECT and not _SHOUTED.search(longer):
                    named, names = (*named, paper_id), [*names, paper.subject]
        line = self._line(names, count)
        header = subject_value(line)
        check_fields([("Subject", header)])
        return header, encoded_value(escape(line)), named

    def _first_name(self, paper_id: str, count: int) -> str:
        name = self._names_of(paper_id).subject
        excess = len(self._line([name], count)) - _SUBJECT
        return cut(name, len(name) - excess) if excess > 0 else name

    def _line(self, names: list[str], count: int) -> str:
        """The subject of a message of `count` papers that names these."""
        more = count - len(names)
        form = self._forms[layout_name(min(count, 1) if more == 0 else count, 0, False)]
        title = self._wording["between"].join(names)
        if more == 0 and len(names) > 1:
            first = self._wording["between"].join(names[:-1])
            title = self._wording["names"].format(names=first, last=names[-1])
        values, pieces = {"title": title, "more": str(more)}, list(form.subject)
        pieces[1::2] = [values[name] for name in pieces[1::2]]
        return one_line("".join(pieces))

    def _preheader(self, ids: Sequence[str], count: int, named: tuple[str, ...]) -> bytes:
        """The papers that the subject does not name, as many as fit; if that says too little, what the first does."""
        listed, room = [], self._room
        for paper_id in ids:
            if paper_id in named:
                continue
            paper = self._names_of(paper_id)
            if paper.columns > room:
                break
            listed.append(paper)
            room -= paper.columns + 2
        if self._room - room < SHORTEST_PREHEADER or not listed:
            return self._alone(ids[0] if ids else "", count)
        return self._also + b"".join([paper.in_preheader for paper in listed[:-1]]) + listed[-1].last_in_preheader

    def _new_alone(self, paper_id: str, count: int) -> bytes:
        if not paper_id:
            return encoded_value(escape(self._quiet))
        paper = self._names_of(paper_id)
        line = paper.sentence if count == 1 else f"{paper.preheader}: {paper.sentence}"
        if not paper.sentence or columns(line) < SHORTEST_PREHEADER:
            line = f"{paper.preheader}. {self._quiet}"
        return encoded_value(escape(line))

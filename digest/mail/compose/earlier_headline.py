"""Subject and preheader in messages of issues that an earlier version rendered, so that a retry has the same bytes."""

from collections.abc import Sequence
from functools import lru_cache
from html import escape

from digest.issues.selection import Pick
from digest.mail.compose.fragments import Fragments, layout_name
from digest.mail.compose.headers import check_fields, subject_value
from digest.mail.compose.headline import SHORTEST_PREHEADER, Headline, NamesOf
from digest.mail.compose.quoted_printable import SOFT, encoded_value
from digest.text import one_line

_IN_PREHEADER = 3  # papers


class EarlierHeadlines:
    """The subject names the first paper, the preheader the three after it."""

    def __init__(self, fragments: Fragments, names_of: NamesOf) -> None:
        self._forms, self._names_of = fragments.forms, names_of
        self._quiet = encoded_value(escape(fragments.preheader))
        self._also = encoded_value(escape(fragments.wording["also"])) + SOFT
        self._subject = lru_cache(maxsize=5_000)(self._new_subject)

    def of(self, picks: Sequence[Pick]) -> Headline:
        """Raises UnfitMessage for a paper without a card, or words that would add a header field."""
        subject, in_html = self._subject(picks[0].paper_id if picks else "", len(picks))
        named = [self._names_of(pick.paper_id) for pick in picks[1 : 1 + _IN_PREHEADER]]
        if sum([len(paper.preheader) + 2 for paper in named]) + 4 < SHORTEST_PREHEADER:
            return Headline(subject, in_html, self._quiet)
        names = b"".join([paper.in_preheader for paper in named[:-1]]) + named[-1].last_in_preheader
        return Headline(subject, in_html, self._also + names)

    def _new_subject(self, paper_id: str, count: int) -> tuple[str, bytes]:
        values = {"title": self._names_of(paper_id).subject if count else "", "more": str(count - 1)}
        pieces = list(self._forms[layout_name(count, 0, False)].subject)
        pieces[1::2] = [values[name] for name in pieces[1::2]]
        line = one_line("".join(pieces))
        header = subject_value(line)
        check_fields([("Subject", header)])
        return header, encoded_value(escape(line))

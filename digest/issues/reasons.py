"""Why a paper is in an issue, and in one reader's mail: only what its score is made of. Pure.

What comes out is not yet in anybody's language: selection puts the reason of a pick into words, a card its place.
"""

from collections.abc import Sequence

from digest.issues.selection.interests import Interest, InterestKind
from digest.language import Message, _, n_
from digest.papers.paper import RankedPaper
from digest.papers.ranking import lateness_text
from digest.papers.topics import TOPICS
from digest.text import short_title

OUTSIDE = _("from outside your interests")
_LIKED_TITLE = 40  # characters
_MOST = 2  # of what the reader asked for, in one reason
_TOPIC_NAMES = {topic.slug: topic.name for topic in TOPICS}


def place_of(ranked: RankedPaper, kind: str) -> Message:
    """Why a paper is in an issue of `kind` at all: the same for every reader."""
    place = _place(ranked.rank, kind)
    if votes := int(ranked.terms.upvotes):
        place = _("%(place)s, %(votes)s", place=place, votes=n_("%(num)s vote", "%(num)s votes", num=votes))
    return _("%(place)s · %(late)s", place=place, late=lateness_text(ranked.late_days)) if ranked.late_days else place


def reason_of(ranked: RankedPaper, kind: str, why: str) -> str:
    """Why a paper is in one reader's mail, for operators: its place in English, and what of it the reader was told."""
    return f"{place_of(ranked, kind)} · {why}" if why else place_of(ranked, kind)


def why_of(wishes: Sequence[Interest], kin: str = "", close: bool = False) -> list[Message]:
    """What of a paper its reader asked for: `wishes` that it matches, what says most first; empty for none.

    `kin` is the title of a paper that they asked for more of and that it resembles; `close`: it is like what they
    asked for more of, no single one being named.
    """
    parts = [_follow(wish) for wish in wishes[:_MOST]]
    if kin and len(parts) < _MOST:
        parts.append(_("similar to “%(title)s”, which you liked", title=short_title(kin, _LIKED_TITLE)))
    elif close and not parts:
        parts.append(_("similar to papers you liked"))
    return parts


def _place(rank: int, kind: str) -> Message:
    if kind == "weekly":
        return _("%(place)s in this week’s ranking", place=_ordinal(rank))
    if kind == "catch-up":
        return _("%(place)s in the ranking of recent weeks", place=_ordinal(rank))
    return _("%(place)s in today’s ranking", place=_ordinal(rank)) if rank > 1 else _("top of today’s ranking")


def _follow(wish: Interest) -> Message:
    match wish.about:
        case InterestKind.TOPIC:
            return _("you follow %(what)s", what=_TOPIC_NAMES.get(wish.word, wish.word))
        case InterestKind.KEYWORD:
            return _("matches your keyword “%(word)s”", word=wish.word)
        case _:
            return _("you follow %(what)s", what=wish.word)


def _ordinal(number: int) -> Message:
    """`1st`, `2nd`, `3rd`, `4th`."""
    teen = number % 100 in (11, 12, 13)
    match 0 if teen else number % 10:
        case 1:
            # Translators: 1st, 21st; the next 2nd, 22nd; 3rd, 23rd; 4th, 5th. Your language may need one form for all.
            return _("%(number)sst", number=number)
        case 2:
            return _("%(number)snd", number=number)
        case 3:
            return _("%(number)srd", number=number)
        case _:
            return _("%(number)sth", number=number)

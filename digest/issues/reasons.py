"""Reasons for a paper in an issue and in one subscriber's message, which name the terms of its score. Pure.

Messages are not yet translated: selection puts the reason of a pick into words, a card its rank.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from digest.language import Message, _, n_
from digest.papers.paper import RankedPaper
from digest.papers.ranking import lateness_text
from digest.papers.topics import TOPICS
from digest.text import cut, short_title, wire_cost

if TYPE_CHECKING:
    from digest.issues.profiles import Neighbour
    from digest.issues.selection.interests import Interest

OUTSIDE = _("from outside your interests")
CHOSEN = _("chosen by the editors")
_LIKED_TITLE = 40  # characters
_MOST = 2  # interests in one reason
_NAMED_RANKS = 10
_ROOM = 120  # bytes on the wire for reasons that are joined: any in English, two short ones in Chinese
_CATEGORY = 40  # characters; sources other than arXiv name them freely
_A_DAY = 1 + 1 / 24  # between two issues, with an hour to spare
_TOPIC_NAMES = {topic.slug: topic.name for topic in TOPICS}


def place_of(ranked: RankedPaper, kind: str) -> Message:
    """Return a paper's rank and votes in an issue of `kind`, which are the same for every subscriber."""
    rank, count = _rank(ranked, kind), int(ranked.terms.upvotes)
    votes = n_("%(num)s vote", "%(num)s votes", num=count) if count else None
    text = _("%(place)s, %(votes)s", place=rank, votes=votes) if rank and votes else rank or votes
    return _with_lateness(text or _new_text(ranked, kind), ranked)


def rank_of(ranked: RankedPaper, kind: str) -> Message:
    """Return a paper's rank in an issue of `kind`, for lists that show its votes elsewhere.

    Ranks beyond the tenth are left out, since they give nobody a reason to read; papers without votes have no rank, nor
    have those that an editor chose. For these, return how new the paper is.
    """
    return _with_lateness(_rank(ranked, kind) or _new_text(ranked, kind), ranked)


def reason_of(ranked: RankedPaper, kind: str, why: str) -> str:
    """Return the reason for a paper in one subscriber's message, for operators: the reason given, then its rank."""
    return f"{why} · {place_of(ranked, kind)}" if why else place_of(ranked, kind)


def why_followed(interests: "Sequence[Interest]") -> list[Message]:
    """Return the interests that are a subscriber's reasons for a paper, the most specific first."""
    return [_follow(interest) for interest in interests[:_MOST]]


def joined_reasons(reasons: Sequence[str]) -> str:
    """Return reasons, the most specific first, on one line; the first alone where all take too much of an email."""
    line = " · ".join(reasons)
    return line if wire_cost(line) <= _ROOM else reasons[0]


def names_neighbour(interests: "Sequence[Interest]") -> bool:
    """Return whether the reasons for a paper have room for the liked paper that it resembles."""
    return len(interests) < _MOST


def _rank(ranked: RankedPaper, kind: str) -> Message | None:
    """Return the rank if it is high, or who chose the paper; None where neither is known."""
    if ranked.terms.is_pinned:
        return CHOSEN
    is_named = ranked.has_votes and ranked.score_rank <= _NAMED_RANKS
    return _rank_text(ranked.score_rank, kind) if is_named else None


def _with_lateness(text: Message, ranked: RankedPaper) -> Message:
    late_days = ranked.late_days
    return _("%(place)s · %(late)s", place=text, late=lateness_text(late_days)) if late_days else text


def _new_text(ranked: RankedPaper, kind: str) -> Message:
    if categories := ranked.paper.categories:
        return _("new in %(category)s", category=cut(categories[0], _CATEGORY))
    if kind == "catch-up" or ranked.terms.postponed_days:
        return _("new in recent weeks")
    return _("new today") if ranked.terms.known_days <= _A_DAY else _("new this week")


def _rank_text(rank: int, kind: str) -> Message:
    if kind == "weekly":
        return _("%(place)s in this week’s ranking", place=_ordinal(rank))
    if kind == "catch-up":
        return _("%(place)s in the ranking of recent weeks", place=_ordinal(rank))
    return _("%(place)s in today’s ranking", place=_ordinal(rank)) if rank > 1 else _("top of today’s ranking")


@lru_cache(maxsize=5_000)  # a title is named to most of those who like the paper
def why_close(neighbour: "Neighbour | None") -> Message:
    """Return that a paper resembles this liked one; None if it resembles none enough to be named."""
    if neighbour is None or not neighbour.title:
        return _("like papers you liked")
    title = neighbour.title
    if neighbour.in_library:
        return _("like “%(title)s”, which is in your library", title=short_title(title, _LIKED_TITLE))
    return _("like “%(title)s”, which you liked", title=short_title(title, _LIKED_TITLE))


@lru_cache(maxsize=5_000)
def _follow(interest: "Interest") -> Message:
    match interest.kind:
        case "topic":
            return _("you follow %(what)s", what=_TOPIC_NAMES.get(interest.word, interest.word))
        case "keyword":
            return _("matches your keyword “%(word)s”", word=interest.word)
        case _:
            return _("you follow %(what)s", what=interest.word)


def _ordinal(number: int) -> Message:
    """Return `1st`, `2nd`, `3rd`, `4th`, …"""
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

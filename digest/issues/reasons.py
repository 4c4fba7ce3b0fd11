"""Why a paper is in an issue, and in one reader's mail, in words: only what its score is made of. Pure."""

from collections.abc import Sequence

from digest.issues.wishes import About, Wish
from digest.mail.words import short_title
from digest.papers.late import in_words
from digest.papers.paper import RankedPaper
from digest.papers.topics import TOPICS

OUTSIDE = "from outside of what you follow"
_LIKED_TITLE = 40  # characters
_MOST = 2  # of what the reader asked for, in one reason
_TOPIC_NAMES = {topic.slug: topic.name for topic in TOPICS}
_IN_ISSUE = {  # after "3rd"; by the kind of the issue
    "daily": "fastest rising today",
    "weekly": "of the week",
    "catch-up": "of the last weeks",
}


def place_of(ranked: RankedPaper, kind: str) -> str:
    """Why a paper is in an issue of `kind` at all: the same for every reader."""
    votes = int(ranked.terms.get("upvotes", 0))
    first = ranked.rank == 1 and kind == "daily"
    place = _IN_ISSUE[kind] if first else f"{_ordinal(ranked.rank)} {_IN_ISSUE[kind]}"
    said = place + (f", {votes:,} vote{'s' * (votes != 1)}" if votes else "")
    return f"{said} · {in_words(ranked.late_days)}" if ranked.late_days else said


def reason_of(ranked: RankedPaper, kind: str, why: str) -> str:
    """Why a paper is in one reader's mail: its place, and what of it they asked for."""
    return f"{place_of(ranked, kind)} · {why}" if why else place_of(ranked, kind)


def why_of(wishes: Sequence[Wish], kin: str = "", close: bool = False) -> str:
    """What of a paper its reader asked for: `wishes` that it matches, what says most first; "" for none.

    `kin` is the title of a paper that they asked for more of and that it resembles; `close`: it is like what they
    asked for more of, no single one being named.
    """
    parts = [_follow(wish) for wish in wishes[:_MOST]]
    if kin and len(parts) < _MOST:
        parts.append(f"like “{short_title(kin, _LIKED_TITLE)}” that you asked for more of")
    elif close and not parts:
        parts.append("like what you asked for more of")
    return " · ".join(parts)


def _follow(wish: Wish) -> str:
    match wish.about:
        case About.TOPIC:
            return f"you follow {_TOPIC_NAMES.get(wish.word, wish.word)}"
        case About.KEYWORD:
            return f"matches your keyword “{wish.word}”"
        case _:
            return f"you follow {wish.word}"


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th") if number % 100 not in (11, 12, 13) else "th"
    return f"{number}{ending}"

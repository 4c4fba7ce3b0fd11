"""Issue × what the reader asked for × what they already got → the papers of their mail, each with its reason."""

from collections.abc import Set
from dataclasses import dataclass
from enum import StrEnum

from digest.issues.issue import Issue
from digest.papers.paper import Paper, RankedPaper
from digest.papers.topics import TOPICS, matches_topic
from digest.subscribers.subscriber import Preferences


class SkipReason(StrEnum):
    """Why a delivery that was due was not made. The words are stored in the ledger and shown by `digest audit`."""

    NOTHING_NEW = "nothing new"  # the reader already got everything that the issue holds
    EMPTY_ISSUE = "empty issue"
    UNSUBSCRIBED = "unsubscribed"
    PAUSED = "paused by the reader"
    SUPPRESSED = "suppressed"
    CANCELLED = "issue cancelled"
    ERASED = "erased"
    CHANGED = "no longer asked for"  # e.g. a confirmation for an address that has confirmed meanwhile


@dataclass(frozen=True, slots=True)
class Pick:
    """One paper of one reader's mail and why it is there, in words."""

    paper_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The papers of one mail in order; `left_out` counts pool papers that this reader already got."""

    picks: tuple[Pick, ...]
    left_out: int = 0


def select(issue: Issue, preferences: Preferences, already_got: Set[str]) -> Selection | SkipReason:
    """The reader's papers: first what matches their topics and keywords, then the best of the rest; never one twice.

    Within each part the issue's ranking decides. The list is `preferences.papers` long at the most.
    """
    if not issue.papers:
        return SkipReason.EMPTY_ISSUE
    fresh = [ranked for ranked in issue.papers if ranked.paper.id not in already_got]
    if not fresh:
        return SkipReason.NOTHING_NEW
    asked_for = {ranked.paper.id: why for ranked in fresh if (why := why_asked_for(ranked.paper, preferences))}
    in_order = sorted(fresh, key=lambda ranked: (ranked.paper.id not in asked_for, ranked.rank))
    picks = tuple(Pick(ranked.paper.id, _reason(ranked, asked_for)) for ranked in in_order[: preferences.papers])
    return Selection(picks, left_out=len(issue.papers) - len(fresh))


def why_asked_for(paper: Paper, preferences: Preferences) -> str:
    """Which of the reader's keywords or topics the paper matches, in words; "" for none."""
    text = f"{paper.title} {paper.summary} {paper.abstract} {' '.join(paper.keywords)}".casefold()
    for keyword in preferences.keywords:
        if keyword.casefold() in text:
            return f"matches your keyword “{keyword}”"
    for topic in TOPICS:
        if topic.slug in preferences.topics and matches_topic(paper, topic):
            return f"you follow {topic.name}"
    return ""


def _reason(ranked: RankedPaper, asked_for: dict[str, str]) -> str:
    votes = int(ranked.terms.get("upvotes", 0))
    place = f"no. {ranked.rank} of the day" + (f", {votes} vote{'s' * (votes != 1)}" if votes else "")
    why = asked_for.get(ranked.paper.id)
    return f"{place} · {why}" if why else place

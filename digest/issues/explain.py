"""Why a list is as it is: what a reader was sent, replayed from what is stored; and what other weights would do.

Comes in: an issue, a recipient's key, changed weights. Goes out: plain values. Changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only
from digest.issues.issue import Issue
from digest.issues.lists import ChosenList, chosen_list, got_before
from digest.issues.selection.history import CachedIssue, SubscriberHistory, papers_for, since, tastes_of
from digest.issues.selection.selection import Pool, Selection, SelectionWeights
from digest.ledger import events
from digest.ledger.deliveries import AlreadySent, last_issue_mails
from digest.ledger.kinds import SkipReason
from digest.papers.ranking import ranking
from digest.subscribers.paper_feedback import all_feedback
from digest.subscribers.store import by_key
from digest.subscribers.subscriber import Preferences, event_subject

_OF_READERS = tuple(one.name for one in fields(SelectionWeights))


@dataclass(frozen=True, slots=True)
class Move:
    """A paper's place in a list, from 1, before and after; None where it is not in it."""

    paper_id: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class Explained:
    """A list that was chosen, whether it would be chosen again, and if not, what has changed since."""

    chosen: ChosenList
    same: bool | None  # None once the reader is erased: there is nothing to replay it with
    since_then: str
    moves: tuple[Move, ...] = ()  # what other weights would have done


class BadWeight(ValueError):
    """There is no weight of this name, or the issue's formula is not this program's; the message says which."""


def explain_list(engine: Engine, shelf: CachedIssue, recipient: str, changes: Mapping[str, float]) -> Explained | None:
    """The very list that `recipient` was sent of an issue; None when none was begun. Raises BadWeight."""
    other = _with_weights(shelf, changes)
    with read_only(engine) as connection:
        chosen = chosen_list(connection, shelf.issue.id, recipient)
        if chosen is None:
            return None
        reader = by_key(connection, recipient)
        if reader is None:
            return Explained(chosen, None, "the reader is erased")
        again = _replay(connection, shelf, chosen, reader.preferences)
        what_if = _replay(connection, other, chosen, reader.preferences)
        changed = _changed_since(connection, recipient, chosen.due_at)
    moves = moved(_ids(chosen.selection), _ids(what_if)) if changes else ()
    same = _numbers(again) == _numbers(chosen.selection) or (
        _of_earlier_version(chosen) and _ids(again) == _ids(chosen.selection)
    )
    return Explained(chosen, same, "" if same else changed, moves)


def with_weights(issue: Issue, changes: Mapping[str, float]) -> Issue:
    """The issue, ranked by what was observed at its cut with other weights. Raises BadWeight.

    Weights of readers' lists (issues/selection/selection.py) may be among `changes`; they change no rank.
    """
    unknown = [name for name in changes if name not in issue.weights and name not in _OF_READERS]
    if unknown:
        there = ", ".join((*sorted(issue.weights), *_OF_READERS))
        raise BadWeight(f"there is no weight {unknown[0]!r}; there are {there}")
    of_ranking = {name: value for name, value in changes.items() if name in issue.weights}
    if not of_ranking:
        return issue
    if issue.formula != ranking.FORMULA:
        raise BadWeight(f"the issue was ranked by the formula “{issue.formula}”, which this version does not know")
    weights = ranking.RankingWeights(**issue.weights | of_ranking)
    papers = [replace(one, terms=ranking.rescore(one.terms, weights)) for one in issue.papers]
    papers.sort(key=lambda one: (-one.terms.score, one.rank))
    ranked = tuple(replace(one, rank=rank, score=one.terms.score) for rank, one in enumerate(papers, start=1))
    return replace(issue, weights=weights.as_dict(), papers=ranked)


def _with_weights(shelf: CachedIssue, changes: Mapping[str, float]) -> CachedIssue:
    if not changes:
        return shelf
    issue = with_weights(shelf.issue, changes)
    weights = SelectionWeights(**{name: value for name, value in changes.items() if name in _OF_READERS})
    return CachedIssue(issue, Pool(issue, weights))


def moved(before: Sequence[str], after: Sequence[str]) -> tuple[Move, ...]:
    """Each paper that has another place in the second list, in its order, and then what fell out."""
    places = {paper_id: place for place, paper_id in enumerate(before, start=1)}
    found = [Move(paper_id, places.pop(paper_id, None), place) for place, paper_id in enumerate(after, start=1)]
    gone = [Move(paper_id, place, None) for paper_id, place in places.items()]
    return tuple(move for move in (*found, *gone) if move.before != move.after)


def _replay(
    connection: Connection, shelf: CachedIssue, chosen: ChosenList, preferences: Preferences
) -> Selection | SkipReason:
    """What would be chosen of what was known then, but for the preferences, which are as they are now."""
    reader = chosen.subscriber_id
    said = all_feedback(connection, [reader] if reader is not None else [])
    then = {number: [one for one in opinions if one.at < chosen.due_at] for number, opinions in said.items()}
    got = AlreadySent(got_before(connection, chosen, since(shelf.issue)))
    last = last_issue_mails(connection, [chosen.recipient], shelf.issue.date).get(chosen.recipient)
    spoke = {number: opinions for number, opinions in then.items() if opinions}
    taste = tastes_of(connection, shelf, spoke).get(reader or 0)
    return papers_for(
        shelf, preferences, SubscriberHistory(got, taste, last) if taste else SubscriberHistory(got, last_mail=last)
    )


def _changed_since(connection: Connection, recipient: str, then: datetime) -> str:
    """In words; when nothing of it was the reader's doing, the program or the fate of an earlier mail is left."""
    happened = events.latest(connection, 1000, event_subject(recipient))
    changes = [one for one in happened if one.what == "changed preferences" and one.at >= then]
    if not changes:
        return (
            "an earlier mail to the reader has ended otherwise since, or this version of the program chooses otherwise"
        )
    names = sorted({name for one in changes for name in one.detail.get("fields", [])})
    return f"since then the reader changed {', '.join(names)} ({max(one.at for one in changes):%Y-%m-%d})"


def _of_earlier_version(chosen: ChosenList) -> bool:
    return not any(pick.points for pick in chosen.selection.picks)


def _numbers(selection: Selection | SkipReason) -> list[Any]:
    """What is to come out again: the papers, their points, how many were left out; the words are in some language."""
    if isinstance(selection, SkipReason):
        return []
    return [selection.left_out, *((pick.paper_id, pick.points) for pick in selection.picks)]


def _ids(selection: Selection | SkipReason) -> list[str]:
    return [] if isinstance(selection, SkipReason) else [pick.paper_id for pick in selection.picks]

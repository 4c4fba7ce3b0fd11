"""Explains the list that a subscriber was sent by replaying it from stored data, also with other weights. Read-only."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, and_, func, or_, select

from digest.database.engine import read_only
from digest.database.tables import deliveries
from digest.issues.audit import skipped_because
from digest.issues.editing import reordered
from digest.issues.issue import Issue
from digest.issues.profiles import Profile, is_kept
from digest.issues.selection import (
    CachedIssue,
    Pool,
    Selection,
    SelectionWeights,
    SubscriberHistory,
    papers_for,
    selection_of,
)
from digest.issues.selection.history import papers_by_rank, pool_profiles
from digest.issues.selection.picks import AFFINITY
from digest.issues.selection.selection import NO_PROFILE
from digest.ledger import events
from digest.ledger.deliveries import may_arrive
from digest.ledger.kinds import WITH_PAPERS, SkipReason, State
from digest.ledger.received import AlreadySent, is_chosen, last_issue_mails
from digest.papers.ranking import ranking
from digest.subscribers.paper_feedback import PaperFeedback, likes_and_dislikes
from digest.subscribers.store import by_key
from digest.subscribers.subscriber import Preferences, event_subject

_JUST_BEFORE = timedelta(minutes=2)  # feedback may reach a list so much later, when profiles are computed
_FORGOT = ("forgot opinions", "removed from library")  # events
_OF_LISTS = tuple(weight.name for weight in fields(SelectionWeights))
_SELECTION = (deliveries.c.issue_id, deliveries.c.picks, deliveries.c.selection)
_CHOSEN_AT = func.coalesce(deliveries.c.composed_at, deliveries.c.due_at).label("chosen_at")


@dataclass(frozen=True, slots=True)
class Move:
    """A paper's rank in a list, from 1, before and after; None outside the list."""

    paper_id: str
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class ChosenList:
    """The papers with which a message of an issue was begun."""

    delivery_id: int
    recipient: str
    subscriber_id: int | None  # None once deleted
    state: State
    due_at: datetime
    chosen_at: datetime
    selection: Selection
    created_at: datetime  # when it was queued, as in its links


@dataclass(frozen=True, slots=True)
class Explained:
    """A list that was sent, whether it would be chosen again, and if not, what changed since."""

    chosen: ChosenList
    same: bool | None  # None for a list that cannot be replayed
    since_then: str
    own: int  # papers that match what they follow or liked; the others are the issue's best
    moves: tuple[Move, ...] = ()  # with other weights


class BadWeight(ValueError):
    """No weight has this name, or the issue was ranked by another formula; the message says which."""


def chosen_list(connection: Connection, issue_id: int, recipient: str) -> ChosenList | None:
    """Return the list of an issue for a recipient; None if their message was not begun."""
    columns = (deliveries.c.id, deliveries.c.subscriber_id, deliveries.c.state, deliveries.c.due_at)
    query = select(*columns, deliveries.c.created_at, deliveries.c.composed_at, *_SELECTION).where(
        deliveries.c.recipient == recipient, deliveries.c.issue_id == issue_id
    )
    row = connection.execute(query).one_or_none()
    selection = stored_selection(connection, row) if row else None
    if row is None or selection is None:
        return None
    state, chosen_at = State(row.state), row.composed_at or row.due_at
    return ChosenList(row.id, recipient, row.subscriber_id, state, row.due_at, chosen_at, selection, row.created_at)


def stored_selection(connection: Connection, row: Any) -> Selection | None:
    """Return the selection in a row with `issue_id`, `picks` and `selection`; None before it was chosen."""
    if row.picks is not None:
        return selection_of(row.picks, papers_by_rank(connection, row.issue_id))
    return selection_of(row.selection, {}) if row.selection else None


def lists_sent(connection: Connection, recipient: str, limit: int) -> list[tuple[int, datetime, Selection]]:
    """Return the issue, time and papers of a recipient's latest lists that arrived or still may, newest first."""
    query = select(_CHOSEN_AT, *_SELECTION)
    mine = (deliveries.c.recipient == recipient, deliveries.c.kind.in_(WITH_PAPERS))
    rows = connection.execute(query.where(*mine, may_arrive()).order_by(deliveries.c.id.desc()).limit(limit)).all()
    lists = ((row, stored_selection(connection, row)) for row in rows)
    return [(row.issue_id, row.chosen_at, selection) for row, selection in lists if selection]


def why_no_list(connection: Connection, issue_id: int, recipient: str) -> str:
    """Say why a delivery of an issue was skipped; "" if it was not, or if there is none."""
    query = select(deliveries.c.reason).where(
        deliveries.c.recipient == recipient, deliveries.c.issue_id == issue_id, deliveries.c.state == State.SKIPPED
    )
    return skipped_because(connection.execute(query).scalar() or "")


def explain_list(engine: Engine, cached: CachedIssue, recipient: str, changes: Mapping[str, float]) -> Explained | None:
    """Explain the list of an issue that `recipient` was sent; None if no message was begun. Raises BadWeight."""
    other = _with_weights(cached, changes)
    with read_only(engine) as connection:
        chosen = chosen_list(connection, cached.issue.id, recipient)
        if chosen is None:
            return None
        own = sum(map(cached.pool.is_own, chosen.selection.picks))
        subscriber = by_key(connection, recipient)
        if subscriber is None:
            return Explained(chosen, None, "the subscriber was deleted", own)
        if gone := _no_longer_kept(connection, cached.issue, chosen.selection):
            moves = moved(_ids(chosen.selection), _reordered(chosen.selection, changes))
            return Explained(chosen, None, f"{gone} is no longer kept", own, moves)
        again = _replay(connection, cached, chosen, subscriber.preferences)
        what_if = _replay(connection, other, chosen, subscriber.preferences)
        changed = _changed_since(connection, recipient, chosen)
    moves = moved(_ids(chosen.selection), _ids(what_if)) if changes else ()
    same = _numbers(again) == _numbers(chosen.selection) or (
        _of_earlier_version(chosen) and _ids(again) == _ids(chosen.selection)
    )
    return Explained(chosen, same, "" if same else changed, own, moves)


def with_weights(issue: Issue, changes: Mapping[str, float]) -> Issue:
    """Rank what was observed at an issue's cut with other weights. Raises BadWeight.

    Weights of subscribers' lists (issues/selection/selection.py) may be among `changes`; they change no rank.
    """
    unknown = [name for name in changes if name not in issue.weights and name not in _OF_LISTS]
    if unknown:
        there = ", ".join((*sorted(issue.weights), *_OF_LISTS))
        raise BadWeight(f"there is no weight {unknown[0]!r}; there are {there}")
    of_ranking = {name: value for name, value in changes.items() if name in issue.weights}
    if not of_ranking:
        return issue
    if issue.formula != ranking.FORMULA:
        raise BadWeight(f"the issue was ranked by the formula “{issue.formula}”, which this version does not know")
    if any(paper.terms.earlier for paper in issue.pool):
        raise BadWeight("the numbers behind its ranks are no longer kept")
    weights = ranking.RankingWeights(**issue.weights | of_ranking)
    papers = [replace(paper, terms=ranking.rescore(paper.terms, weights)) for paper in issue.pool]
    ranked = reordered(papers)
    best = len(issue.papers)
    return replace(issue, weights=weights.as_dict(), papers=ranked[:best], others=ranked[best:])


def _with_weights(cached: CachedIssue, changes: Mapping[str, float]) -> CachedIssue:
    if not changes:
        return cached
    issue = with_weights(cached.issue, changes)
    weights = SelectionWeights(**{name: value for name, value in changes.items() if name in _OF_LISTS})
    return CachedIssue(issue, Pool(issue, weights))


def moved(before: Sequence[str], after: Sequence[str]) -> tuple[Move, ...]:
    """Return the papers whose rank differs in the second list, in its order, then those that dropped out."""
    ranks = {paper_id: rank for rank, paper_id in enumerate(before, start=1)}
    moves = [Move(paper_id, ranks.pop(paper_id, None), rank) for rank, paper_id in enumerate(after, start=1)]
    gone = [Move(paper_id, rank, None) for paper_id, rank in ranks.items()]
    return tuple(move for move in (*moves, *gone) if move.before != move.after)


def _replay(
    connection: Connection, cached: CachedIssue, chosen: ChosenList, preferences: Preferences
) -> Selection | SkipReason:
    """Choose again from the data of that time, but with today's preferences."""
    subscriber_id = chosen.subscriber_id or 0
    given = likes_and_dislikes(connection, [subscriber_id]).get(subscriber_id, ())
    feedback = [item for item in given if item.at < chosen.chosen_at]
    stored = _profile_then(connection, cached.issue.space_id, subscriber_id, feedback)
    rated = {subscriber_id: {item.paper_id for item in feedback}} if feedback else {}
    received = _got_before(connection, chosen, cached.oldest_day)
    got = AlreadySent(received, withheld_since=chosen.selection.since)
    last = last_issue_mails(connection, [chosen.recipient], cached.issue.date).get(chosen.recipient)
    profile = pool_profiles(connection, cached, stored, rated).get(subscriber_id, NO_PROFILE)
    return papers_for(cached, preferences, SubscriberHistory(got, profile, last))


def _profile_then(
    connection: Connection, space_id: int | None, subscriber_id: int, feedback: Sequence[PaperFeedback]
) -> dict[int, Profile]:
    if not feedback or space_id is None:
        return {}
    from digest.issues.profiles.compute import profiles_from  # which brings numpy

    return profiles_from(connection, space_id, {subscriber_id: feedback})


def _got_before(connection: Connection, chosen: ChosenList, since: date) -> set[str]:
    """Return the papers of the recipient's earlier messages, of occasions from `since` on."""
    earlier = or_(
        deliveries.c.due_at < chosen.due_at,
        and_(deliveries.c.due_at == chosen.due_at, deliveries.c.id < chosen.delivery_id),
    )
    query = select(*_SELECTION).where(
        deliveries.c.recipient == chosen.recipient,
        deliveries.c.kind.in_(WITH_PAPERS),
        deliveries.c.occasion >= since.isoformat(),
        may_arrive(),
        is_chosen(),
        earlier,
    )
    lists = (stored_selection(connection, row) for row in connection.execute(query).all())
    return {pick.paper_id for selection in lists if selection for pick in selection.picks}


def _changed_since(connection: Connection, recipient: str, chosen: ChosenList) -> str:
    """Say what may have changed the list; without changed preferences and feedback only two causes are left."""
    latest = events.latest(connection, 1000, event_subject(recipient))
    changes = [event for event in latest if event.what == "changed preferences" and event.at >= chosen.due_at]
    if not changes:
        subscriber_id = chosen.subscriber_id or 0
        given = likes_and_dislikes(connection, [subscriber_id]).get(subscriber_id, ())
        forgot = any(event.what in _FORGOT and event.at >= chosen.chosen_at for event in latest)
        if forgot or any(item.at >= chosen.chosen_at - _JUST_BEFORE for item in given):
            return "since then, or just before, the subscriber changed their feedback"
        return "the outcome of an earlier message has changed since, or this version of the program chooses differently"
    names = sorted({name for event in changes for name in event.detail.get("fields", [])})
    return f"since then the subscriber changed {', '.join(names)} ({max(event.at for event in changes):%Y-%m-%d})"


def _no_longer_kept(connection: Connection, issue: Issue, selection: Selection) -> str:
    """Say what a replay would need that was deleted; "" if all is there."""
    if issue.is_shrunk:
        return "the whole pool that it was chosen from"
    has_affinity = any(AFFINITY in pick.terms for pick in selection.picks)
    if issue.space_id and has_affinity and not is_kept(connection, issue.space_id):
        return "what its affinities were computed from"
    return ""


def _reordered(selection: Selection, changes: Mapping[str, float]) -> list[str]:
    """Return the ids of a list, ordered by its stored points under other weights."""
    usual = asdict(SelectionWeights())
    factors = {name: value / usual[name] for name, value in changes.items() if name in usual}
    scores = {
        pick.paper_id: sum(factors.get(name, 1) * value for name, value in pick.points) for pick in selection.picks
    }
    return sorted(scores, key=lambda paper_id: -scores[paper_id]) if factors else list(scores)


def _of_earlier_version(chosen: ChosenList) -> bool:
    return not any(pick.points for pick in chosen.selection.picks)


def _numbers(selection: Selection | SkipReason) -> list[Any]:
    """Return what a replay must reproduce. Reasons are left out, since they depend on the language."""
    if isinstance(selection, SkipReason):
        return []
    return [selection.left_out, *((pick.paper_id, pick.points) for pick in selection.picks)]


def _ids(selection: Selection | SkipReason) -> list[str]:
    return [] if isinstance(selection, SkipReason) else [pick.paper_id for pick in selection.picks]

"""A subscriber's history, received papers and feedback, and the papers selected from it."""

import math
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cached_property, lru_cache
from sys import intern
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, select

from digest.database.engine import read_only
from digest.database.tables import issue_papers
from digest.issues.issue import Issue
from digest.issues.profiles import Neighbour, Profile, affinities_of, profiles_of
from digest.issues.selection.interests import set_of
from digest.issues.selection.picks import AFFINITY, Selection
from digest.issues.selection.selection import NO_PROFILE, Pool, PoolProfile
from digest.issues.store import issue_by_id, pool_content, rows_in
from digest.language import Languages
from digest.ledger.deliveries import Delivery
from digest.ledger.kinds import IssueKind, SkipReason
from digest.ledger.received import AlreadySent, already_sent, last_issue_mails
from digest.subscribers.paper_feedback import rated_among
from digest.subscribers.subscriber import MAX_PAPERS, Balance, Preferences

if TYPE_CHECKING:
    from digest.issues.profiles.pool_affinities import PoolAffinities, PoolAffinity


@dataclass
class CachedIssue:
    """An issue, ready to select from."""

    issue: Issue
    pool: Pool
    affinities: "PoolAffinities | None" = None  # read for the first subscriber with a profile
    earlier: dict[int, Mapping[int, str]] = field(default_factory=dict)  # papers of other issues, by rank

    @cached_property
    def oldest_day(self) -> date:
        return oldest_day(self.issue)


class IssueCache:
    """The issues that one process works on. Each is read once: what a cut issue lists never changes."""

    def __init__(self, engine: Engine, languages: Languages) -> None:
        self._engine = engine
        self._languages = languages
        self.get = lru_cache(maxsize=4)(self._read)

    def _read(self, issue_id: int) -> CachedIssue:
        with read_only(self._engine) as connection:
            issue = issue_by_id(connection, issue_id, whole=True)
        return CachedIssue(issue, Pool(issue, languages=self._languages))


@dataclass(frozen=True, slots=True)
class SubscriberHistory:
    """The facts, apart from preferences, that a subscriber's papers depend on."""

    got: AlreadySent
    profile: PoolProfile = NO_PROFILE
    last_message: date | None = None  # looked up after a pause, and where no paper was received lately


def papers_for(cached: CachedIssue, preferences: Preferences, history: SubscriberHistory) -> Selection | SkipReason:
    """One subscriber's papers of an issue; after a pause half as many again, listed since their last message.

    The first issue is never withheld and has as many papers as they asked for.
    """
    is_first = history.last_message is None and not history.got.papers
    withheld, issue = history.got.withheld_since, cached.issue
    since = withheld if withheld and withheld < issue.date and issue.kind == IssueKind.DAILY else None
    if preferences.balance is Balance.ONLY:
        since = None  # since then there may have been days without any paper of theirs, for which nothing waits
    selection = _select(cached, replace(preferences, full_lists=True) if is_first else preferences, history, since)
    if isinstance(selection, SkipReason) or not (is_first or since):
        return selection
    return replace(selection, first=is_first, since=since)


def _select(
    cached: CachedIssue, preferences: Preferences, history: SubscriberHistory, since: date | None
) -> Selection | SkipReason:
    if cached.issue.kind != IssueKind.CATCH_UP:
        return cached.pool.select(preferences, history.got.papers, history.profile, since=since)
    longer = replace(preferences, papers=min(MAX_PAPERS, preferences.papers * 3 // 2))
    overlap = timedelta(days=cached.issue.settings.overlap_days)
    not_before = history.last_message - overlap if history.last_message else None
    return cached.pool.select(longer, history.got.papers, history.profile, not_before)


def histories(
    connection: Connection, worker: str, claims: Sequence[Delivery], issue_with: Callable[[int], CachedIssue]
) -> dict[int, SubscriberHistory]:
    """The history behind each delivery of an issue, by delivery id."""
    of_issues: dict[int, list[Delivery]] = {}
    for claim in claims:
        if claim.issue_id is not None:
            of_issues.setdefault(claim.issue_id, []).append(claim)
    if not of_issues:
        return {}
    cached = {issue_id: issue_with(issue_id) for issue_id in of_issues}
    deliveries = [claim for theirs in of_issues.values() for claim in theirs]
    earlier = next(iter(cached.values())).earlier

    def papers_of(issue_id: int) -> Mapping[int, str]:
        if issue_id not in earlier:
            ids = papers_by_rank(connection, issue_id)
            earlier[issue_id] = {rank: intern(paper_id) for rank, paper_id in ids.items()}  # the same paper, one object
        return earlier[issue_id]

    got = already_sent(connection, deliveries, worker, min(entry.oldest_day for entry in cached.values()), papers_of)
    by_delivery: dict[int, SubscriberHistory] = {}
    for issue_id, theirs in of_issues.items():
        issue, pool = cached[issue_id].issue, cached[issue_id].pool
        subscriber_ids = {claim.subscriber_id for claim in theirs if claim.subscriber_id is not None}
        stored = profiles_of(connection, issue.space_id, subscriber_ids) if issue.space_id else {}
        rated = rated_among(connection, subscriber_ids, pool.paper_ids)
        profiles = pool_profiles(connection, cached[issue_id], stored, rated)
        after_pause = issue.kind == IssueKind.CATCH_UP
        unsure = {claim.recipient for claim in theirs if after_pause or not got[claim.recipient].papers}
        last = last_issue_mails(connection, unsure, issue.date) if unsure else {}
        for claim in theirs:
            profile = profiles.get(claim.subscriber_id or 0, NO_PROFILE)
            by_delivery[claim.id] = SubscriberHistory(got[claim.recipient], profile, last.get(claim.recipient))
    return by_delivery


def pool_profiles(
    connection: Connection, cached: CachedIssue, stored: Mapping[int, Profile], rated: Mapping[int, Set[str]]
) -> dict[int, PoolProfile]:
    """Profiles for an issue's pool, by subscriber, from those of its space and the papers of the pool with feedback."""
    if cached.pool.by_score:  # an earlier version, which computed affinities at the cut
        earlier = affinities_of(connection, cached.issue.id, rated)
        own = {id_: profile_from(cached.pool, each.affinity, each.neighbours) for id_, each in earlier.items()}
        return {id_: replace(own.get(id_, NO_PROFILE), rated=theirs) for id_, theirs in rated.items()}
    profiles = {id_: PoolProfile(rated=theirs) for id_, theirs in rated.items()}
    for id_, like in _affinities(connection, cached, stored).items():
        liked, theirs = len(stored[id_].liked), rated.get(id_, frozenset())
        profiles[id_] = PoolProfile(like.points, like.close, liked, theirs, like.neighbours)
    return profiles


def _affinities(
    connection: Connection, cached: CachedIssue, stored: Mapping[int, Profile]
) -> "Mapping[int, PoolAffinity]":
    issue, pool = cached.issue, cached.pool
    if not stored or not pool.paper_ids or issue.space_id is None:
        return {}
    from digest.issues.profiles.pool_affinities import pool_affinities  # which brings numpy

    cached.affinities = cached.affinities or pool_affinities(connection, issue.space_id, pool.paper_ids)
    if cached.affinities is None:
        return {}
    return cached.affinities.of(connection, stored, pool.points[AFFINITY], pool.least_close)


def profile_from(pool: Pool, affinity: Mapping[str, float], neighbours: Mapping[str, str]) -> PoolProfile:
    """A profile from affinities (-1 to 1) and titles of neighbours by paper id, as earlier versions stored them."""
    worth, indexes = pool.points[AFFINITY], pool.index
    points = [0] * len(indexes)
    for paper_id, value in affinity.items():
        if paper_id in indexes:
            points[indexes[paper_id]] = round(value * worth)
    liked = {indexes[paper_id]: Neighbour(title) for paper_id, title in neighbours.items() if paper_id in indexes}
    close = {index for index, value in enumerate(points) if pool.is_close(value)}
    close |= liked.keys() if pool.by_score else set()
    return PoolProfile(points if any(points) else (), set_of(close), neighbours=lambda _chosen: liked)


def papers_by_rank(connection: Connection, issue_id: int) -> dict[int, str]:
    """The ids of an issue's papers, the best and all others that are kept."""
    best = select(issue_papers.c.rank, issue_papers.c.paper_id).where(issue_papers.c.issue_id == issue_id)
    ids = {row.rank: row.paper_id for row in connection.execute(best)}
    return ids | {row["rank"]: row["paper_id"] for row in rows_in(pool_content(connection, issue_id))}


def oldest_day(issue: Issue) -> date:
    """No message of an earlier day can hold a paper of `issue`: all were first seen after that."""
    days = max([issue.settings.pool_days, *(math.ceil(ranked.terms.known_days) for ranked in issue.pool)])
    return issue.cut_at.date() - timedelta(days=days + 1)

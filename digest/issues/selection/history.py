"""A subscriber's history, received papers and feedback, and the papers selected from it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only
from digest.issues.issue import Issue
from digest.issues.profiles import affinities_of
from digest.issues.selection.picks import Selection
from digest.issues.selection.selection import AFFINITY, NO_PROFILE, Pool, PoolProfile
from digest.issues.store import issue_by_id
from digest.language import Languages
from digest.ledger.deliveries import AlreadySent, Delivery, already_sent, last_issue_mails
from digest.ledger.kinds import IssueKind, SkipReason
from digest.subscribers.paper_feedback import PaperFeedback, all_feedback
from digest.subscribers.subscriber import MAX_PAPERS, Preferences


@dataclass(frozen=True, slots=True)
class CachedIssue:
    """An issue, ready to select from."""

    issue: Issue
    pool: Pool


class IssueCache:
    """The issues that one process works on. Each is read once: what a cut issue lists never changes."""

    def __init__(self, engine: Engine, languages: Languages) -> None:
        self._engine = engine
        self._languages = languages
        self.get = lru_cache(maxsize=4)(self._read)

    def _read(self, issue_id: int) -> CachedIssue:
        with read_only(self._engine) as connection:
            issue = issue_by_id(connection, issue_id)
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
    since = history.got.withheld_since if cached.issue.kind == IssueKind.DAILY else None
    selection = _select(cached, replace(preferences, full_lists=True) if is_first else preferences, history, since)
    return replace(selection, first=is_first, since=since) if isinstance(selection, Selection) else selection


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
    got = already_sent(connection, deliveries, worker, min(oldest_day(entry.issue) for entry in cached.values()))
    feedback = all_feedback(
        connection, {claim.subscriber_id for claim in deliveries if claim.subscriber_id is not None}
    )
    by_delivery: dict[int, SubscriberHistory] = {}
    for issue_id, theirs in of_issues.items():
        issue = cached[issue_id].issue
        given = {id_: feedback[id_] for claim in theirs if (id_ := claim.subscriber_id) in feedback}
        profiles = pool_profiles(connection, cached[issue_id], given)
        after_pause = issue.kind == IssueKind.CATCH_UP
        unsure = {claim.recipient for claim in theirs if after_pause or not got[claim.recipient].papers}
        last = last_issue_mails(connection, unsure, issue.date) if unsure else {}
        for claim in theirs:
            profile = profiles.get(claim.subscriber_id or 0, NO_PROFILE)
            by_delivery[claim.id] = SubscriberHistory(got[claim.recipient], profile, last.get(claim.recipient))
    return by_delivery


def pool_profiles(
    connection: Connection, cached: CachedIssue, feedback: Mapping[int, Sequence[PaperFeedback]]
) -> dict[int, PoolProfile]:
    """Profiles from feedback, for an issue's pool, by subscriber."""
    stored = affinities_of(connection, cached.issue.id, feedback) if feedback else {}
    profiles = {}
    for subscriber_id, given in feedback.items():
        rated = cached.pool.index.keys() & {item.paper_id for item in given}
        affinities = stored.get(subscriber_id)
        profiles[subscriber_id] = replace(
            profile_from(cached.pool, affinities.affinity, affinities.neighbours) if affinities else NO_PROFILE,
            rated=rated,
        )
    return profiles


def profile_from(pool: Pool, affinity: Mapping[str, float], neighbours: Mapping[str, str]) -> PoolProfile:
    """A profile from affinities (-1 to 1) and titles of neighbours by paper id, as earlier versions stored them."""
    worth, indexes = pool.points[AFFINITY], pool.index
    points = [0] * len(indexes)
    for paper_id, value in affinity.items():
        if paper_id in indexes:
            points[indexes[paper_id]] = round(value * worth)
    titles = {indexes[paper_id]: title for paper_id, title in neighbours.items() if paper_id in indexes}
    close = {index for index, value in enumerate(points) if pool.is_close(value)} | titles.keys()
    closest = sorted(close, key=lambda index: (-points[index], index))
    return PoolProfile(points if any(points) else (), closest, neighbours=lambda _chosen: titles)


def oldest_day(issue: Issue) -> date:
    """No message of an earlier day can hold a paper of `issue`: all were first seen after that."""
    days = max(
        [issue.settings.pool_days, *(math.ceil(ranked.terms.known_days) for ranked in (*issue.papers, *issue.others))]
    )
    return issue.cut_at.date() - timedelta(days=days + 1)

"""What a subscriber already got and said, and the list that follows from it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import lru_cache

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only
from digest.issues.issue import Issue
from digest.issues.profiles.store import leanings_of
from digest.issues.selection.selection import NO_PROFILE, Pool, PoolProfile, Selection
from digest.issues.store import issue_by_id
from digest.language import Languages
from digest.ledger.deliveries import AlreadySent, Delivery, already_sent, last_issue_mails
from digest.ledger.kinds import IssueKind, SkipReason
from digest.subscribers.paper_feedback import PaperFeedback, all_feedback
from digest.subscribers.subscriber import MAX_PAPERS, Preferences


@dataclass(frozen=True, slots=True)
class CachedIssue:
    """An issue, ready to be chosen from."""

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
    """What decides a reader's list beside their preferences.

    `last_mail`: the date of it, asked for after a pause and of who got no paper lately.
    """

    got: AlreadySent
    taste: PoolProfile = NO_PROFILE
    last_mail: date | None = None


def papers_for(shelf: CachedIssue, preferences: Preferences, known: SubscriberHistory) -> Selection | SkipReason:
    """A reader's list of an issue. After a pause it is half as long again, of what was listed since their last mail."""
    selection = _listed_for(shelf, preferences, known)
    is_first = known.last_mail is None and not known.got.papers
    return replace(selection, first=True) if is_first and isinstance(selection, Selection) else selection


def _listed_for(shelf: CachedIssue, preferences: Preferences, known: SubscriberHistory) -> Selection | SkipReason:
    if shelf.issue.kind != IssueKind.CATCH_UP:
        return shelf.pool.select(preferences, known.got.papers, known.taste)
    longer = replace(preferences, papers=min(MAX_PAPERS, preferences.papers * 3 // 2))
    overlap = timedelta(days=shelf.issue.settings.overlap_days)
    not_before = known.last_mail - overlap if known.last_mail else None
    return shelf.pool.select(longer, known.got.papers, known.taste, not_before)


def known_of(
    connection: Connection, worker: str, claims: Sequence[Delivery], shelf_of: Callable[[int], CachedIssue]
) -> dict[int, SubscriberHistory]:
    """For each mail of an issue, by its number, what its reader got and said."""
    mails = [claim for claim in claims if claim.issue_id is not None]
    if not mails:
        return {}
    shelves = {number: shelf_of(number) for number in {claim.issue_id for claim in mails} if number is not None}
    got = already_sent(connection, mails, worker, min(since(shelf.issue) for shelf in shelves.values()))
    said = all_feedback(connection, {claim.subscriber_id for claim in mails if claim.subscriber_id is not None})
    known: dict[int, SubscriberHistory] = {}
    for issue_id, shelf in shelves.items():
        theirs = [claim for claim in mails if claim.issue_id == issue_id]
        readers = said.keys() & {one.subscriber_id for one in theirs}
        tastes = tastes_of(connection, shelf, {reader: said[reader] for reader in readers})
        after_pause = shelf.issue.kind == IssueKind.CATCH_UP
        unsure = {one.recipient for one in theirs if after_pause or not got[one.recipient].papers}
        last = last_issue_mails(connection, unsure, shelf.issue.date) if unsure else {}
        known |= {
            one.id: SubscriberHistory(
                got[one.recipient], tastes.get(one.subscriber_id or 0, NO_PROFILE), last.get(one.recipient)
            )
            for one in theirs
        }
    return known


def tastes_of(
    connection: Connection, shelf: CachedIssue, said: Mapping[int, Sequence[PaperFeedback]]
) -> dict[int, PoolProfile]:
    """What readers said, as it bears on an issue's pool: a whole batch at once."""
    leanings = leanings_of(connection, shelf.issue.id, said) if said else {}
    known = {reader: shelf.pool.ids & {one.paper_id for one in opinions} for reader, opinions in said.items()}
    return {
        reader: PoolProfile(leanings[reader].affinity, leanings[reader].kin, papers)
        if reader in leanings
        else PoolProfile(known=papers)
        for reader, papers in known.items()
    }


def since(issue: Issue) -> date:
    """No paper of `issue` can have been in a mail of an earlier day: they were first seen after that."""
    days = max([issue.settings.pool_days, *(math.ceil(ranked.terms.known_days) for ranked in issue.papers)])
    return issue.cut_at.date() - timedelta(days=days + 1)

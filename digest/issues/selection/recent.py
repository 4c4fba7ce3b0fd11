"""Counts the papers that someone would have had lately, if they got only what they follow.

Each process reads the papers of the last days once an hour. It keeps their words in memory, so that a count for a form
that is being filled in takes milliseconds.
"""

import threading
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only
from digest.issues.profiles import Profile, profiles_of, ready_space
from digest.issues.profiles.profile import clearly_close
from digest.issues.selection.interests import (
    Catalogue,
    PaperSet,
    folded_text,
    interests_of,
    muted_by,
    numbers_in,
    set_of,
)
from digest.issues.selection.picks import UNIT
from digest.papers.paper import Paper
from digest.papers.store import papers_since
from digest.subscribers.subscriber import Frequency, Preferences

if TYPE_CHECKING:
    from digest.issues.profiles.pool_affinities import PoolAffinities

DAYS = 30
_READ_AGAIN = timedelta(hours=1)
_MOST_KEPT = 500  # matches of a word; each letter that someone types makes another
_DAY = timedelta(days=1)
_WEEK = 7


@dataclass(frozen=True, slots=True)
class RecentCount:
    """The papers and emails of the last `days` days with only what someone follows; 0 days without any papers yet."""

    papers: int
    emails: int
    days: int


class RecentPapers:
    """The papers of the last days, for one process and several threads. `pool_days`: of an issue."""

    def __init__(self, engine: Engine, pool_days: int) -> None:
        self._engine = engine
        self._pool_days = pool_days
        self._lock = threading.Lock()
        self._read: _RecentDays | None = None

    def forecast(self, subscriber_id: int, preferences: Preferences, now: datetime) -> RecentCount:
        """Count as if an issue had been cut at this time of each day, and nothing had been received before."""
        with self._lock, read_only(self._engine) as connection:
            if self._read is None or not timedelta(0) <= now - self._read.now < _READ_AGAIN:
                self._read = _recent_days(connection, now)
            return self._read.forecast(preferences, self._read.close_to(connection, subscriber_id), self._pool_days)


class _RecentDays:
    """Papers by when they were first seen, the oldest first, as of `now`."""

    def __init__(self, papers: Sequence[Paper], texts: Sequence[str], seen: Sequence[datetime], now: datetime) -> None:
        self.now = now
        self._ids = [paper.id for paper in papers]
        self._seen = seen
        self._catalogue = Catalogue(papers, texts, _MOST_KEPT)
        self._affinities: tuple[int, PoolAffinities | None] = (0, None)  # and the space that they are in

    def close_to(self, connection: Connection, subscriber_id: int) -> PaperSet:
        """The papers that are clearly like those that a subscriber liked."""
        space_id = ready_space(connection)
        profile = profiles_of(connection, space_id, [subscriber_id]).get(subscriber_id) if space_id else None
        if space_id is None or profile is None or not self._ids:
            return 0
        return self._clearly_close(connection, space_id, profile)

    def _clearly_close(self, connection: Connection, space_id: int, profile: Profile) -> PaperSet:
        if self._affinities[0] != space_id:
            from digest.issues.profiles.pool_affinities import pool_affinities  # which brings numpy

            self._affinities = space_id, pool_affinities(connection, space_id, self._ids)
        affinities = self._affinities[1]
        if affinities is None:
            return 0
        return affinities.of(connection, {0: profile}, UNIT, clearly_close(len(profile.liked)) * UNIT)[0].close

    def forecast(self, preferences: Preferences, close: PaperSet, pool_days: int) -> RecentCount:
        """`close`: papers that match without being followed."""
        followed = self._catalogue.matches_any(interests_of(preferences)) | close
        wanted = followed & ~self._catalogue.matches_any(muted_by(preferences))
        window = timedelta(days=max(pool_days, _WEEK) if preferences.frequency is Frequency.WEEKLY else pool_days)
        papers = emails = 0
        for back in reversed(range(DAYS)):
            cut = self.now - back * _DAY
            if cut.weekday() in preferences.weekdays and (fresh := wanted & self._between(cut - window, cut)):
                sent = set_of(islice(numbers_in(fresh), preferences.papers))
                wanted &= ~sent
                papers, emails = papers + sent.bit_count(), emails + 1
        return RecentCount(papers, emails, -((self._seen[0] - self.now) // _DAY) if self._seen else 0)

    def _between(self, start: datetime, end: datetime) -> PaperSet:
        """The papers first seen after `start` and up to `end`."""
        return (1 << bisect_right(self._seen, end)) - (1 << bisect_right(self._seen, start))


def _recent_days(connection: Connection, now: datetime) -> _RecentDays:
    papers, texts, seen = [], [], []
    for first_seen, paper in papers_since(connection, now - DAYS * _DAY):
        papers.append(replace(paper, abstract=""))  # the longest part, which its folded text has as well
        texts.append(folded_text(paper))
        seen.append(first_seen)
    return _RecentDays(papers, texts, seen, now)

"""What readers suggested and voted for, looked up in the database for the source "readers"."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.papers import community
from digest.papers.community import SuggestionState
from digest.papers.paper import Paper, Votes
from digest.papers.sources.suggestions import Suggested
from digest.papers.store import papers_with

_WAITS_FOR = timedelta(days=30)
_VOTED_WITHIN = timedelta(days=30)  # longer than any pool


class StoredBallot:
    """The Ballot of a database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def waiting(self, now: datetime) -> Sequence[Suggested]:
        """Suggestions that were not looked up yet, oldest first."""
        with read_only(self._engine) as connection:
            found = community.suggestions_in(connection, SuggestionState.WAITING, now - _WAITS_FOR, now)
        return [Suggested(one.paper_id, one.at) for one in found]

    def listed(self, day: date, now: datetime) -> Sequence[Paper]:
        """The papers that were suggested on `day` (UTC) and accepted, as of `now`."""
        start = datetime.combine(day, time(), UTC)
        end = min(now, start + timedelta(days=1) - timedelta(microseconds=1))
        with read_only(self._engine) as connection:
            found = community.suggestions_in(connection, SuggestionState.LISTED, start, end)
            papers = papers_with(connection, [one.paper_id for one in found])
        return [replace(papers[one.paper_id], listed_at=one.at) for one in found if one.paper_id in papers]

    def votes(self, now: datetime, also: Sequence[str]) -> Sequence[Votes]:
        """Readers' votes as of `now`, for papers of the archive and of `also` that got one in the last weeks."""
        with read_only(self._engine) as connection:
            return community.counted(connection, now - _VOTED_WITHIN, now, also)

"""What readers bring together: the papers that they suggest, and one vote a reader for a paper.

Readers are known here by their recipient key, which names nobody and outlives erasure: one vote stays one vote.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, func, or_, select, update

from digest.database.dialect import in_list, insert_new
from digest.database.tables import papers, reader_votes, suggestions
from digest.papers.paper import Votes
from digest.papers.sources.suggestions import NAME


class SuggestionState(StrEnum):
    """The words stand in the database."""

    WAITING = "waiting"  # until it was looked up
    LISTED = "listed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A paper that a reader suggested; `message` says why it was refused."""

    paper_id: str
    recipient: str
    at: datetime
    state: SuggestionState
    message: str = ""


# --- votes ---


def cast_vote(connection: Connection, paper_id: str, recipient: str, at: datetime) -> bool:
    """One reader's vote for a paper; False when they had voted for it."""
    row = {"paper_id": paper_id, "recipient": recipient, "at": at}
    cast = insert_new(connection, reader_votes).values(row).returning(reader_votes.c.paper_id)
    return connection.execute(cast).scalar() is not None


def take_vote_back(connection: Connection, paper_id: str, recipient: str) -> bool:
    """Forget one reader's vote for a paper; False when there was none."""
    theirs = (reader_votes.c.paper_id == paper_id) & (reader_votes.c.recipient == recipient)
    return connection.execute(delete(reader_votes).where(theirs)).rowcount == 1


def votes_by(connection: Connection, recipient: str) -> dict[str, datetime]:
    """What one reader voted for, and when, newest first."""
    query = select(reader_votes.c.paper_id, reader_votes.c.at).where(reader_votes.c.recipient == recipient)
    return {row.paper_id: row.at for row in connection.execute(query.order_by(reader_votes.c.at.desc()))}


def counted(connection: Connection, since: datetime, until: datetime, also: Collection[str] = ()) -> list[Votes]:
    """The votes for each paper that got one within [since, until], all of its votes counted, as of `until`.

    Papers that are not in the archive are left out, but for those of `also`, which come into it just now.
    """
    recent = select(reader_votes.c.paper_id).where(reader_votes.c.at.between(since, until))
    query = (
        select(reader_votes.c.paper_id, func.count().label("upvotes"))
        .join(papers, papers.c.id == reader_votes.c.paper_id, isouter=True)
        .where(or_(papers.c.id.is_not(None), reader_votes.c.paper_id.in_(also)))
        .where(reader_votes.c.at <= until, reader_votes.c.paper_id.in_(recent))
        .group_by(reader_votes.c.paper_id)
        .order_by(reader_votes.c.paper_id)
    )
    return [Votes(row.paper_id, NAME, until, row.upvotes) for row in connection.execute(query)]


# --- suggestions ---


def keep_suggestion(connection: Connection, new: Suggestion) -> bool:
    """Store a suggestion; False when somebody suggested the paper before, which stays as it is."""
    kept = insert_new(connection, suggestions).values(_row(new)).returning(suggestions.c.paper_id)
    return connection.execute(kept).scalar() is not None


def replace_suggestion(connection: Connection, new: Suggestion) -> None:
    """Store a suggestion of a paper that was refused before."""
    connection.execute(update(suggestions).where(suggestions.c.paper_id == new.paper_id).values(_row(new)))


def suggestion_of(connection: Connection, paper_id: str) -> Suggestion | None:
    """What became of a suggested paper."""
    row = connection.execute(select(suggestions).where(suggestions.c.paper_id == paper_id)).one_or_none()
    return _suggestion(row) if row else None


def suggested_by(connection: Connection, recipient: str) -> list[Suggestion]:
    """What one reader suggested, newest first."""
    query = select(suggestions).where(suggestions.c.recipient == recipient).order_by(suggestions.c.at.desc())
    return [_suggestion(row) for row in connection.execute(query)]


def suggestions_in(
    connection: Connection, state: SuggestionState, since: datetime, until: datetime
) -> list[Suggestion]:
    """Those in `state` that were made within [since, until], oldest first."""
    here = suggestions.c.at.between(since, until) & (suggestions.c.state == str(state))
    return [_suggestion(row) for row in connection.execute(select(suggestions).where(here).order_by(suggestions.c.at))]


def settle(connection: Connection, listed: Collection[str], refused: Mapping[str, str]) -> None:
    """Waiting suggestions of papers that a source listed are listed; those of `refused` are not, and why."""
    waiting = suggestions.c.state == str(SuggestionState.WAITING)
    if listed:
        which = waiting & in_list(connection, suggestions.c.paper_id, listed)
        connection.execute(update(suggestions).where(which).values(state=str(SuggestionState.LISTED)))
    for paper_id, message in refused.items():
        values = {"state": str(SuggestionState.REFUSED), "message": message}
        connection.execute(update(suggestions).where(waiting, suggestions.c.paper_id == paper_id).values(values))
        connection.execute(delete(reader_votes).where(reader_votes.c.paper_id == paper_id))


def forget_suggester(connection: Connection, recipient: str) -> None:
    """The papers stay; who suggested them is forgotten."""
    connection.execute(update(suggestions).where(suggestions.c.recipient == recipient).values(recipient=""))


def _row(suggestion: Suggestion) -> dict[str, Any]:
    return asdict(suggestion) | {"state": str(suggestion.state)}


def _suggestion(row: Row[Any]) -> Suggestion:
    return Suggestion(row.paper_id, row.recipient, row.at, SuggestionState(row.state), row.message)

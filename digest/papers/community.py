"""Papers that subscribers suggest, and their votes: one per subscriber and paper.

Subscribers appear by their recipient key, which identifies nobody and outlives the deletion of their data, so that one
vote remains one vote.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, update

from digest.database.dialect import in_list, insert_new, insert_or_change
from digest.database.tables import papers, reader_votes, suggestions
from digest.papers.paper import Paper, Votes
from digest.papers.sources.source_names import SUGGESTIONS
from digest.papers.store import papers_with


class SuggestionState(StrEnum):
    """Stored in the database."""

    WAITING = "waiting"  # not looked up yet
    LISTED = "listed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A suggested paper; `message` is why it was refused."""

    paper_id: str
    recipient: str
    at: datetime
    state: SuggestionState
    message: str = ""


# --- votes ---


def cast_vote(connection: Connection, paper_id: str, recipient: str, at: datetime) -> bool:
    """Store a subscriber's vote for a paper; False if they have voted for it before."""
    vote = insert_new(connection, reader_votes).values(paper_id=paper_id, recipient=recipient, at=at)
    return connection.execute(vote.returning(reader_votes.c.paper_id)).scalar() is not None


def take_vote_back(connection: Connection, paper_id: str, recipient: str) -> bool:
    """Delete a subscriber's vote for a paper; False if there was none."""
    vote = (reader_votes.c.paper_id == paper_id) & (reader_votes.c.recipient == recipient)
    return connection.execute(delete(reader_votes).where(vote)).rowcount == 1


def votes_by(connection: Connection, recipient: str) -> dict[str, datetime]:
    """The papers that a subscriber voted for, and when, newest first."""
    query = select(reader_votes.c.paper_id, reader_votes.c.at).where(reader_votes.c.recipient == recipient)
    return {row.paper_id: row.at for row in connection.execute(query.order_by(reader_votes.c.at.desc()))}


def count_votes(connection: Connection, since: datetime, until: datetime, also: Collection[str] = ()) -> list[Votes]:
    """All votes, as of `until`, for each paper that has received one within [since, until].

    Papers that are not in the archive are left out, except those of `also`, which are about to be added.
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
    return [Votes(row.paper_id, SUGGESTIONS, until, row.upvotes) for row in connection.execute(query)]


# --- suggestions ---


def keep_suggestion(connection: Connection, new: Suggestion) -> None:
    """Store a suggestion, in the place of an earlier one of the same paper, which was refused."""
    row = asdict(new) | {"state": str(new.state)}
    connection.execute(insert_or_change(connection, suggestions, ["paper_id"]), row)


def suggestion_of(connection: Connection, paper_id: str) -> Suggestion | None:
    """The suggestion of a paper, with its state."""
    return next(iter(_suggestions(connection, suggestions.c.paper_id == paper_id)), None)


def suggested_by(connection: Connection, recipient: str) -> list[Suggestion]:
    """The suggestions of a subscriber, newest first."""
    return _suggestions(connection, suggestions.c.recipient == recipient)[::-1]


def suggestions_in(
    connection: Connection, state: SuggestionState, since: datetime, until: datetime
) -> list[Suggestion]:
    """The suggestions in `state` made within [since, until], oldest first."""
    selected = suggestions.c.at.between(since, until) & (suggestions.c.state == str(state))
    return _suggestions(connection, selected)


def listed_on(connection: Connection, day: date, now: datetime) -> list[Paper]:
    """The papers suggested on `day` (UTC) and accepted, as of `now`, listed at the time of their suggestion."""
    start, end = (datetime.combine(day, at, UTC) for at in (time.min, time.max))
    accepted = suggestions_in(connection, SuggestionState.LISTED, start, min(now, end))
    stored = papers_with(connection, [suggestion.paper_id for suggestion in accepted])
    return [replace(stored[new.paper_id], listed_at=new.at) for new in accepted if new.paper_id in stored]


def settle(connection: Connection, listed: Collection[str], refused: Mapping[str, str]) -> None:
    """Mark waiting suggestions as listed, or as refused with the message in `refused`."""
    waiting = suggestions.c.state == str(SuggestionState.WAITING)
    if listed:
        accepted = waiting & in_list(connection, suggestions.c.paper_id, listed)
        connection.execute(update(suggestions).where(accepted).values(state=str(SuggestionState.LISTED)))
    for paper_id, message in refused.items():
        values = {"state": str(SuggestionState.REFUSED), "message": message}
        connection.execute(update(suggestions).where(waiting, suggestions.c.paper_id == paper_id).values(values))
        connection.execute(delete(reader_votes).where(reader_votes.c.paper_id == paper_id))


def forget_suggester(connection: Connection, recipient: str) -> None:
    """Delete who suggested the papers; the papers stay."""
    connection.execute(update(suggestions).where(suggestions.c.recipient == recipient).values(recipient=""))


def move_votes(connection: Connection, old: str, new: str) -> None:
    """Give the votes and suggestions of a key to another of the same person. Two votes for a paper become one."""
    both = select(reader_votes.c.paper_id).where(reader_votes.c.recipient == new)
    mine = reader_votes.c.recipient == old
    connection.execute(delete(reader_votes).where(mine, reader_votes.c.paper_id.in_(both)))
    connection.execute(update(reader_votes).where(mine).values(recipient=new))
    connection.execute(update(suggestions).where(suggestions.c.recipient == old).values(recipient=new))


def _suggestions(connection: Connection, selected: ColumnElement[bool]) -> list[Suggestion]:
    """The selected suggestions, oldest first."""
    rows = connection.execute(select(suggestions).where(selected).order_by(suggestions.c.at))
    return [Suggestion(row.paper_id, row.recipient, row.at, SuggestionState(row.state), row.message) for row in rows]

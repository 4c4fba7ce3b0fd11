"""Suggesting papers and voting for them, which only confirmed subscribers can do.

The next run of the sources looks a suggestion up at arXiv (papers/sources/suggestions.py); until then it waits.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only
from digest.language import Message, UserError, _
from digest.ledger.kinds import Status
from digest.papers import community
from digest.papers.community import Suggestion, SuggestionState
from digest.papers.paper import Paper
from digest.papers.store import paper as stored_paper
from digest.papers.store import papers_with
from digest.papers.suggestion import refusal, suggested_id
from digest.subscribers import store
from digest.subscribers.subscriber import Subscriber

# An issue has ten papers by default, and 25 at most: one subscriber's suggestions can't fill more than half of it, and
# few people read more papers than that within an hour.
SUGGESTIONS_A_DAY = 5
VOTES_AN_HOUR = 25
SHOWN_DAYS = 14


class NotTaken(UserError):
    """The suggestion or vote does not count."""


@dataclass(frozen=True, slots=True)
class Board:
    """The page of suggestions, as one subscriber sees it. `votes` counts by paper; `voted` are their own."""

    own: tuple[Suggestion, ...]
    listed: tuple[Suggestion, ...]  # of the last days, most votes first
    papers: dict[str, Paper]
    votes: dict[str, int]
    voted: frozenset[str]


def suggest(engine: Engine, subscriber_id: int, text: str, now: datetime, pool_days: int) -> Message:
    """Accept the paper that `text` names with its suggester's vote, and return the confirmation.

    Raises BadSuggestion or NotTaken.
    """
    paper_id = suggested_id(text)
    with _confirmed(engine, subscriber_id) as (connection, subscriber):
        earlier = community.suggestion_of(connection, paper_id)
        if earlier is not None and earlier.state is not SuggestionState.REFUSED:
            _vote(connection, subscriber, paper_id, now)
            return _("This paper has already been suggested. We’ve added your vote.")
        if earlier is not None and now - earlier.at < timedelta(days=1):
            raise NotTaken(refusal(earlier.message))
        _limit_suggestions(connection, subscriber, now)
        return _suggest_new(connection, subscriber, paper_id, now, now - timedelta(days=pool_days))


def vote(engine: Engine, subscriber_id: int, paper_id: str, now: datetime) -> None:
    """Vote once for a paper of the archive or one that waits to be looked up. Raises NotTaken."""
    with _confirmed(engine, subscriber_id) as (connection, subscriber):
        suggestion = community.suggestion_of(connection, paper_id)
        waiting = suggestion is not None and suggestion.state is SuggestionState.WAITING
        if not waiting and not papers_with(connection, [paper_id]):
            raise NotTaken(_("This paper isn’t in our archive."))
        _vote(connection, subscriber, paper_id, now)


def take_vote_back(engine: Engine, subscriber_id: int, paper_id: str) -> bool:
    """Undo a vote; False when there was none."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        return subscriber is not None and community.take_vote_back(connection, paper_id, subscriber.key)


def has_voted(engine: Engine, subscriber: Subscriber, paper_id: str) -> bool:
    with read_only(engine) as connection:
        return paper_id in community.votes_by(connection, subscriber.key)


def board(engine: Engine, subscriber: Subscriber, now: datetime) -> Board:
    since = now - timedelta(days=SHOWN_DAYS)
    with read_only(engine) as connection:
        own = community.suggested_by(connection, subscriber.key)
        listed = community.suggestions_in(connection, SuggestionState.LISTED, since, now)
        voted = community.votes_by(connection, subscriber.key)
        papers = papers_with(connection, [suggestion.paper_id for suggestion in (*own, *listed)])
        votes = {count.paper_id: count.upvotes for count in community.count_votes(connection, since, now)}
    listed.sort(key=lambda suggestion: (-votes.get(suggestion.paper_id, 0), suggestion.paper_id))
    return Board(tuple(own[:20]), tuple(listed), papers, votes, frozenset(voted))


def _suggest_new(
    connection: Connection, subscriber: Subscriber, paper_id: str, now: datetime, pool_start: datetime
) -> Message:
    paper = stored_paper(connection, paper_id)
    if paper is not None and paper.first_seen_at < pool_start:
        raise NotTaken(
            _(
                "We listed this paper on %(day)s. Issues only contain new papers, and every"
                " subscriber could get it then.",
                day=paper.first_seen_at.date(),
            )
        )
    _vote(connection, subscriber, paper_id, now)
    # A paper that a source listed need not be looked up.
    state = SuggestionState.LISTED if paper else SuggestionState.WAITING
    community.keep_suggestion(connection, Suggestion(paper_id, subscriber.key, now, state))
    if paper:
        return _("Thanks. The paper is listed, with your vote.")
    return _("Thanks. We’re looking it up on arXiv and will list it within the hour.")


def _vote(connection: Connection, subscriber: Subscriber, paper_id: str, now: datetime) -> None:
    votes = community.votes_by(connection, subscriber.key)
    if paper_id in votes:
        return
    if sum(at > now - timedelta(hours=1) for at in votes.values()) >= VOTES_AN_HOUR:
        raise NotTaken(
            _("You can cast up to %(most)s votes an hour. Please come back a little later.", most=VOTES_AN_HOUR)
        )
    community.cast_vote(connection, paper_id, subscriber.key, now)


def _limit_suggestions(connection: Connection, subscriber: Subscriber, now: datetime) -> None:
    own = community.suggested_by(connection, subscriber.key)
    if sum(suggestion.at > now - timedelta(days=1) for suggestion in own) >= SUGGESTIONS_A_DAY:
        raise NotTaken(
            _(
                "You can suggest up to %(most)s papers a day, so that everyone’s suggestions get seen.",
                most=SUGGESTIONS_A_DAY,
            )
        )


@contextmanager
def _confirmed(engine: Engine, subscriber_id: int) -> Iterator[tuple[Connection, Subscriber]]:
    """Begin a transaction with the subscriber locked, so that two requests cannot exceed a limit."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None or subscriber.status is not Status.CONFIRMED:
            raise NotTaken(_("Only subscribers can suggest papers and vote. You’re not subscribed at the moment."))
        yield connection, subscriber

"""What a confirmed reader can do for all: suggest a paper, and vote for one.

A suggestion is looked up at arXiv by the next run of the sources (papers/sources/suggestions.py); until then it waits.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.language import Message, _
from digest.ledger.kinds import Status
from digest.papers import community
from digest.papers.community import Suggestion, SuggestionState
from digest.papers.paper import Paper
from digest.papers.store import paper as known_paper
from digest.papers.store import papers_with
from digest.papers.suggestion import BadSuggestion, refusal, suggested_id
from digest.subscribers import store
from digest.subscribers.subscriber import Subscriber

# A mail has ten papers: nobody alone fills half of it, and nobody reads more of them within an hour than a mail holds.
SUGGESTIONS_A_DAY = 5
VOTES_AN_HOUR = 25
SHOWN_DAYS = 14


class NotTaken(Exception):
    """A suggestion or vote that does not count; `words` say why, for the reader."""

    def __init__(self, words: Message) -> None:
        super().__init__(words)
        self.words = words


@dataclass(frozen=True, slots=True)
class Board:
    """What a reader sees of the community. `votes` counts by paper; `voted` are the reader's own."""

    own: tuple[Suggestion, ...]
    listed: tuple[Suggestion, ...]  # of the last days, most votes first
    papers: dict[str, Paper]
    votes: dict[str, int]
    voted: frozenset[str]


def suggest(engine: Engine, subscriber_id: int, text: str, now: datetime, pool_days: int) -> Message:
    """Take the paper that `text` names, with its suggester's vote. Returns what becomes of it, for the reader.

    Raises NotTaken.
    """
    try:
        paper_id = suggested_id(text)
    except BadSuggestion as problem:
        raise NotTaken(problem.words) from None
    with transaction(engine) as connection:
        reader = _confirmed(connection, subscriber_id)
        before = community.suggestion_of(connection, paper_id)
        if before is not None and before.state is not SuggestionState.REFUSED:
            _vote(connection, reader, paper_id, now)
            return _("This paper has already been suggested. We’ve added your vote.")
        if before is not None and now - before.at < timedelta(days=1):
            raise NotTaken(refusal(before.message))
        _not_too_many(connection, reader, now)
        return _take(connection, reader, paper_id, now, pool_days)


def vote(engine: Engine, subscriber_id: int, paper_id: str, now: datetime) -> None:
    """A reader's one vote for a paper of the archive or one that waits; again changes nothing. Raises NotTaken."""
    with transaction(engine) as connection:
        reader = _confirmed(connection, subscriber_id)
        if not papers_with(connection, [paper_id]) and not _waits(connection, paper_id):
            raise NotTaken(_("This paper isn’t in our archive."))
        _vote(connection, reader, paper_id, now)


def take_vote_back(engine: Engine, subscriber_id: int, paper_id: str) -> bool:
    """Undo a vote; False when there was none."""
    with transaction(engine) as connection:
        reader = store.by_id(connection, subscriber_id)
        return reader is not None and community.take_vote_back(connection, paper_id, reader.key)


def has_voted(engine: Engine, reader: Subscriber, paper_id: str) -> bool:
    """Whether a reader's vote for a paper counts."""
    with read_only(engine) as connection:
        return paper_id in community.votes_by(connection, reader.key)


def board(engine: Engine, reader: Subscriber, now: datetime) -> Board:
    """What the page of suggestions shows."""
    since = now - timedelta(days=SHOWN_DAYS)
    with read_only(engine) as connection:
        own = community.suggested_by(connection, reader.key)
        listed = community.suggestions_in(connection, SuggestionState.LISTED, since, now)
        voted = community.votes_by(connection, reader.key)
        papers = papers_with(connection, [one.paper_id for one in (*own, *listed)])
        votes = {seen.paper_id: seen.upvotes for seen in community.count_votes(connection, since, now)}
    listed.sort(key=lambda one: (-votes.get(one.paper_id, 0), one.paper_id))
    return Board(tuple(own[:20]), tuple(listed), papers, votes, frozenset(voted))


def _take(connection: Connection, reader: Subscriber, paper_id: str, now: datetime, pool_days: int) -> Message:
    state, said = SuggestionState.WAITING, _("Thanks. We’re looking it up on arXiv and will list it within the hour.")
    known = known_paper(connection, paper_id)
    if known is not None:  # a source listed it, so there is nothing to look up
        if known.first_seen_at < now - timedelta(days=pool_days):
            raise NotTaken(
                _(
                    "We listed this paper on %(day)s. Issues only contain new papers, and every"
                    " subscriber could get it then.",
                    day=known.first_seen_at.date(),
                )
            )
        state, said = SuggestionState.LISTED, _("Thanks. The paper is listed, with your vote.")
    _vote(connection, reader, paper_id, now)
    new = Suggestion(paper_id, reader.key, now, state)
    if not community.keep_suggestion(connection, new):
        community.replace_suggestion(connection, new)
    return said


def _vote(connection: Connection, reader: Subscriber, paper_id: str, now: datetime) -> None:
    given = community.votes_by(connection, reader.key)
    if paper_id in given:
        return
    if sum(at > now - timedelta(hours=1) for at in given.values()) >= VOTES_AN_HOUR:
        raise NotTaken(
            _("You can cast up to %(most)s votes an hour. Please come back a little later.", most=VOTES_AN_HOUR)
        )
    community.cast_vote(connection, paper_id, reader.key, now)


def _not_too_many(connection: Connection, reader: Subscriber, now: datetime) -> None:
    own = community.suggested_by(connection, reader.key)
    if sum(one.at > now - timedelta(days=1) for one in own) >= SUGGESTIONS_A_DAY:
        raise NotTaken(
            _(
                "You can suggest up to %(most)s papers a day, so that everyone’s suggestions get seen.",
                most=SUGGESTIONS_A_DAY,
            )
        )


def _waits(connection: Connection, paper_id: str) -> bool:
    found = community.suggestion_of(connection, paper_id)
    return found is not None and found.state is SuggestionState.WAITING


def _confirmed(connection: Connection, subscriber_id: int) -> Subscriber:
    """The reader, whom nobody else changes until the transaction ends, so that the limits hold."""
    reader = store.by_id(connection, subscriber_id, lock=True)
    if reader is None or reader.status is not Status.CONFIRMED:
        raise NotTaken(_("Only subscribers can suggest papers and vote. You’re not subscribed at the moment."))
    return reader

"""An archive with three subjects, and what happens in it."""

from collections.abc import Callable
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event, select

from digest.database.engine import read_only, transaction
from digest.database.tables import issues, profiles, spaces, stale_profiles
from digest.issues.profiles import refresh_profiles, renew_space
from digest.issues.selection import IssueCache, Selection, SubscriberHistory, histories, papers_for
from digest.ledger.deliveries import find
from digest.ledger.kinds import Kind
from digest.papers.store import keep_papers
from digest.subscribers import paper_feedback
from digest.subscribers.paper_feedback import FeedbackKind
from digest.subscribers.subscriber import Subscriber
from tests.support.scenario import DAY, LANGUAGES, MORNING, add_papers, add_subscriber, paper

YESTERDAY = MORNING - timedelta(days=1)
GRAPHS = "spectral clustering of graph nodes by message passing over edges in community networks"
SPEECH = "speech transcription of acoustic phonemes with a microphone and the voice of speakers"
OLD_GRAPHS, OLD_SPEECH, NEW_SPEECH, NEW_GRAPHS = (range(first, first + 6) for first in (100, 110, 0, 20))


def paper_id(number: int) -> str:
    return f"2603.{number:05}"


def fill(engine: Engine) -> None:
    """Papers of the day before yesterday and of today on two subjects; speech has more votes. Others on anything."""
    before = YESTERDAY - timedelta(days=1)
    add_papers(engine, OLD_GRAPHS, seen_at=before, listed_at=before, abstract=GRAPHS, title="Graphs and their nodes")
    add_papers(engine, OLD_SPEECH, seen_at=before, listed_at=before, abstract=SPEECH, title="Speech and its phonemes")
    others = [paper(number, title="Another", abstract=f"subject{number // 3}") for number in range(200, 500)]
    with transaction(engine) as connection:
        keep_papers(connection, "huggingface", before - timedelta(days=20), others)
    add_papers(engine, NEW_SPEECH, abstract=SPEECH, title="Voices of speakers")
    add_papers(engine, NEW_GRAPHS, abstract=GRAPHS, title="Clustering of networks")


def give(engine: Engine, subscriber: Subscriber, *numbers: int, kind: str = "more", at: datetime = YESTERDAY) -> None:
    for number in numbers:
        assert paper_feedback.give(engine, subscriber.id, paper_id(number), FeedbackKind(kind), at)


def learn(engine: Engine, now: datetime = YESTERDAY) -> None:
    """Run the scheduler's two jobs."""
    renew_space(engine, now)
    refresh_profiles(engine, now)


def history_of(engine: Engine, subscriber: Subscriber, day: Any = DAY) -> SubscriberHistory:
    """The history from which a worker chooses a subscriber’s papers."""
    with read_only(engine) as connection:
        delivery = find(connection, Kind.DIGEST, day, subscriber.key)
        assert delivery is not None
        return histories(connection, "", [delivery], IssueCache(engine, LANGUAGES).get)[delivery.id]


def list_of(engine: Engine, subscriber: Subscriber, day: Any = DAY) -> Selection:
    with read_only(engine) as connection:
        issue_id = connection.scalar(select(issues.c.id).where(issues.c.date == day))
    chosen = papers_for(
        IssueCache(engine, LANGUAGES).get(issue_id), subscriber.preferences, history_of(engine, subscriber, day)
    )
    assert isinstance(chosen, Selection)
    return chosen


def profiled(engine: Engine) -> set[tuple[int, int]]:
    """The (space, subscriber) of each stored profile."""
    with read_only(engine) as connection:
        rows = connection.execute(select(profiles.c.space_id, profiles.c.subscriber_id))
        return {(row.space_id, row.subscriber_id) for row in rows}


def stale(engine: Engine) -> set[int]:
    with read_only(engine) as connection:
        return set(connection.scalars(select(stale_profiles.c.subscriber_id)))


def ready(engine: Engine) -> dict[int, bool]:
    """For each space, True if it is ready."""
    with read_only(engine) as connection:
        return {row.id: row.ready_at is not None for row in connection.execute(select(spaces.c.id, spaces.c.ready_at))}


@contextmanager
def before_statement(engine: Engine, part: str, act: Callable[[], object]) -> Any:
    """Let something happen just before the first statement with a part of this text."""
    happened = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
        if part in statement and not happened:
            happened.append(statement)
            act()

    event.listen(engine, "before_cursor_execute", listen)
    yield
    event.remove(engine, "before_cursor_execute", listen)
    assert happened, f"no statement with {part!r}"


def subscriber_who_likes_graphs(engine):
    """Ada, who likes two papers on graphs and not one on speech."""
    ada = add_subscriber(engine, "ada@example.com", papers=6)
    give(engine, ada, 100, 101)
    give(engine, ada, 110, kind="less")
    return ada

"""The papers that a subscriber saved for later. They count as neither feedback nor library."""

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, func, select

from digest.database.dialect import insert_new
from digest.database.tables import saved_papers
from digest.language import _
from digest.subscribers import store
from digest.subscribers.community import NotTaken

MAX_SAVED = 1000


class SavedPaper(NamedTuple):
    """The paper may have been deleted since."""

    paper_id: str
    saved_at: datetime


def save(engine: Engine, subscriber_id: int, paper_id: str, now: datetime) -> None:
    """Put a paper on the saved list, where it keeps its place. Raises NotTaken when the list is full."""
    with store.editing(engine, subscriber_id) as (connection, subscriber):
        if subscriber is None:
            return
        others = (saved_papers.c.subscriber_id == subscriber_id) & (saved_papers.c.paper_id != paper_id)
        if (connection.scalar(select(func.count()).select_from(saved_papers).where(others)) or 0) >= MAX_SAVED:
            raise NotTaken(_("Your saved list is full. Remove papers from it first."))
        new = insert_new(connection, saved_papers)
        connection.execute(new.values(subscriber_id=subscriber_id, paper_id=paper_id, saved_at=now))


def unsave(engine: Engine, subscriber_id: int, paper_id: str) -> bool:
    """Take a paper off the saved list; False when it was not on it."""
    with store.editing(engine, subscriber_id) as (connection, _subscriber):
        theirs = (saved_papers.c.subscriber_id == subscriber_id) & (saved_papers.c.paper_id == paper_id)
        return connection.execute(delete(saved_papers).where(theirs)).rowcount == 1


def saved_by(connection: Connection, subscriber_id: int) -> list[SavedPaper]:
    """One subscriber's saved list, the last one saved first."""
    query = select(saved_papers.c.paper_id, saved_papers.c.saved_at)
    query = query.where(saved_papers.c.subscriber_id == subscriber_id)
    query = query.order_by(saved_papers.c.saved_at.desc(), saved_papers.c.paper_id)
    return [SavedPaper(*row) for row in connection.execute(query)]

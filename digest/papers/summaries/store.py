"""SQL for the summaries by a language model, and for the requests that they cost."""

from collections import Counter
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update

from digest.database.dialect import insert_or_change
from digest.database.fixed import rows_of
from digest.database.tables import model_summaries as summaries
from digest.database.tables import papers
from digest.papers.paper import ModelSummary


class SummaryState(StrEnum):
    """Stored."""

    ASKED = "asked"  # a request is under way, or was when its process ended
    READY = "ready"
    UNUSABLE = "unusable"  # the model answered, but not with a sentence about the paper
    FAILED = "failed"  # it did not answer


class SummaryKey(NamedTuple):
    """A summary that an issue would show."""

    paper_id: str
    language: str


class Asked(NamedTuple):
    """A summary that was asked for, and whether it is ready."""

    state: SummaryState
    requests: int
    asked_at: datetime
    problem: str


def summaries_of(connection: Connection, selected: ColumnElement[bool]) -> dict[str, tuple[ModelSummary, ...]]:
    """The summaries of papers, which a condition on `papers` selects, by paper id."""
    query = (
        select(summaries.c.paper_id, summaries.c.language, summaries.c.text, summaries.c.model)
        .join(papers, papers.c.id == summaries.c.paper_id)
        .where(selected, summaries.c.state == SummaryState.READY)
        .order_by(summaries.c.language)
    )
    by_id: dict[str, tuple[ModelSummary, ...]] = {}
    for paper_id, *summary in connection.execute(query):
        by_id[paper_id] = (*by_id.get(paper_id, ()), ModelSummary(*summary))
    return by_id


_OF_PAPER = (
    select(summaries.c.language, summaries.c.text, summaries.c.model)
    .where(summaries.c.paper_id == bindparam("id"), summaries.c.state == SummaryState.READY)
    .order_by(summaries.c.language)
)


def summaries_of_paper(connection: Connection, paper_id: str) -> tuple[ModelSummary, ...]:
    """The summaries of one paper."""
    return tuple([ModelSummary(*row) for row in rows_of(connection, _OF_PAPER, {"id": paper_id})])


def asked_before(connection: Connection, paper_ids: list[str]) -> dict[SummaryKey, Asked]:
    """The summaries of papers that were asked for before."""
    columns = (summaries.c.state, summaries.c.requests, summaries.c.asked_at, summaries.c.problem)
    query = select(summaries.c.paper_id, summaries.c.language, *columns).where(summaries.c.paper_id.in_(paper_ids))
    return {
        SummaryKey(paper_id, language): Asked(SummaryState(state), *rest)
        for paper_id, language, state, *rest in connection.execute(query)
    }


def note_request(connection: Connection, wanted: SummaryKey, model: str, now: datetime) -> None:
    """Count a request before it is sent, so that one whose process is killed counts too."""
    row = {"state": str(SummaryState.ASKED), "model": model, "problem": "", "asked_at": now}
    change = insert_or_change(
        connection, summaries, ["paper_id", "language"], {**row, "requests": summaries.c.requests + 1}
    )
    connection.execute(change.values(**wanted._asdict(), **row, text="", requests=1))


def keep_answer(connection: Connection, wanted: SummaryKey, state: SummaryState, text: str, problem: str) -> None:
    """Store the outcome of a request. A summary that is ready stays as it is."""
    mine = (summaries.c.paper_id == wanted.paper_id) & (summaries.c.language == wanted.language)
    change = update(summaries).where(mine, summaries.c.state != SummaryState.READY)
    connection.execute(change.values(state=str(state), text=text, problem=problem[:300]))


def requests_since(connection: Connection, since: datetime) -> int:
    """The number of requests for summaries that were last asked for since an instant."""
    query = select(func.coalesce(func.sum(summaries.c.requests), 0)).where(summaries.c.asked_at >= since)
    return int(connection.execute(query).scalar_one())


def last_failure(connection: Connection) -> Asked | None:
    """The newest request, if the model did not answer it."""
    columns = (summaries.c.state, summaries.c.requests, summaries.c.asked_at, summaries.c.problem)
    row = connection.execute(select(*columns).order_by(summaries.c.asked_at.desc()).limit(1)).one_or_none()
    return Asked(SummaryState.FAILED, *row[1:]) if row and row.state == SummaryState.FAILED else None


def count_by_state(connection: Connection) -> Counter[SummaryState]:
    query = select(summaries.c.state, func.count()).group_by(summaries.c.state)
    return Counter({SummaryState(state): count for state, count in connection.execute(query)})

"""Finds the summaries that the issue of a date lacks, and has them written before its cut.

The cut freezes what is stored by then, so retries and old issues show the same text for ever.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine, select

from digest.database.engine import read_only, transaction
from digest.database.tables import subscribers
from digest.issues.issue import Plan
from digest.issues.publish import best_papers, cut_time
from digest.issues.store import issue_id_on
from digest.issues.summaries.record import record_run
from digest.ledger.kinds import IssueKind, Status
from digest.papers.paper import Paper
from digest.papers.summaries.client import LanguageModel
from digest.papers.summaries.store import SummaryKey
from digest.papers.summaries.writing import SummaryLimits, SummaryRun, write_summaries

log = structlog.get_logger()

MOST = 50  # papers of an issue, its best: nearly all that anyone is sent for their rank, and the first of its pages
LEAD = timedelta(hours=1)  # before a cut in which the papers ranked highest by then are summarised
_RUN_SECONDS = 240.0  # of one run in the background
_MOST_LANGUAGES = 5


@dataclass(frozen=True, slots=True)
class SummaryPlan:
    """The operator's model, and what it may cost."""

    model: LanguageModel
    monthly_requests: int
    seconds: float  # that a cut waits for summaries


def summarise_coming(engine: Engine, plan: Plan, summaries: SummaryPlan | None, now: Callable[[], datetime]) -> None:
    """Have summaries written for the issue that is cut within the next hour, if there is one."""
    at = now()
    day = at.date() if at.time() < plan.cut else at.date() + timedelta(days=1)
    if summaries is None or cut_time(plan, day) - at > LEAD:
        return
    with read_only(engine) as connection:
        papers = {} if issue_id_on(connection, IssueKind.DAILY, day) else _wanted(connection, plan, day, at)
    _write(engine, summaries, day, papers, _RUN_SECONDS, now)


def summarise(
    engine: Engine, plan: Plan, summaries: SummaryPlan | None, day: date, now: Callable[[], datetime]
) -> None:
    """Have what the issue of `day` still lacks written, in the time that its cut waits, and record the result."""
    if summaries is None:
        return
    with read_only(engine) as connection:
        papers = {} if issue_id_on(connection, IssueKind.DAILY, day) else _wanted(connection, plan, day, now())
    if not papers:
        return
    run = _write(engine, summaries, day, papers, summaries.seconds, now)
    with transaction(engine) as connection:
        record_run(connection, day, summaries.model.name, len(papers), run, now())


def _write(
    engine: Engine,
    summaries: SummaryPlan,
    day: date,
    papers: dict[SummaryKey, Paper],
    seconds: float,
    now: Callable[[], datetime],
) -> SummaryRun:
    run = write_summaries(engine, summaries.model, papers, SummaryLimits(seconds, summaries.monthly_requests), now)
    if run.written or run.problem:
        log.info("summaries", date=str(day), written=run.written, missing=run.missing, problem=run.problem, every=600)
    return run


def _wanted(connection: Connection, plan: Plan, day: date, now: datetime) -> dict[SummaryKey, Paper]:
    """The summaries that the best papers would show, the best paper first.

    A paper gets none in a language in which its source has written one, nor without an abstract to write it from.
    """
    languages = _languages(connection, plan.settings.language)
    best = [ranked.paper for ranked in best_papers(connection, plan, day, now)[:MOST]]
    return {
        SummaryKey(paper.id, language): paper
        for paper in best
        for language in languages
        if (paper.abstract or paper.summary) and not paper.has_summary_in(language)
    }


def _languages(connection: Connection, default: str) -> list[str]:
    """The languages that subscribers read, that of the installation first."""
    query = select(subscribers.c.language).where(subscribers.c.status == Status.CONFIRMED).distinct()
    return list(dict.fromkeys([default, *sorted(filter(None, connection.scalars(query)))]))[:_MOST_LANGUAGES]

"""Has a language model write the summaries that are missing, within a time and a number of requests a month.

Each answer is stored as soon as it is there, so a process that is killed asks nothing again that was answered.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.papers.paper import Paper
from digest.papers.summaries.client import LanguageModel, ModelUnavailable
from digest.papers.summaries.sentence import Unusable, data, instructions, sentence_in
from digest.papers.summaries.store import (
    Asked,
    SummaryKey,
    SummaryState,
    asked_before,
    keep_answer,
    last_failure,
    note_request,
    requests_since,
)

log = structlog.get_logger()

REST = timedelta(minutes=10)  # after a run that ended because the model did not answer
_MOST_REQUESTS = 3  # for one summary
_MOST_ANSWERS = 1  # that were unusable: the same question has the same answer
_FAILURES = 2  # in a row, which end a run


@dataclass(frozen=True, slots=True)
class SummaryLimits:
    """Limits on the time and the requests of one run."""

    seconds: float
    monthly_requests: int


@dataclass(frozen=True, slots=True)
class SummaryRun:
    """The result of one run."""

    written: int = 0
    missing: int = 0  # papers and languages that keep the sentence of the abstract
    problem: str = ""  # the last


def write_summaries(
    engine: Engine,
    model: LanguageModel,
    papers: Mapping[SummaryKey, Paper],
    limits: SummaryLimits,
    now: Callable[[], datetime],
    monotonic: Callable[[], float] = time.monotonic,
) -> SummaryRun:
    """Write the missing ones of these summaries, in order, until a limit is reached."""
    with read_only(engine) as connection:
        asked = asked_before(connection, [wanted.paper_id for wanted in papers])
        failure = last_failure(connection)
    missing = [wanted for wanted in papers if wanted not in asked or asked[wanted].state is not SummaryState.READY]
    waiting = [wanted for wanted in missing if wanted not in asked or _may_ask(asked[wanted], now(), model.seconds)]
    problems = [asked[wanted].problem for wanted in missing if wanted in asked and asked[wanted].problem]
    run = SummaryRun(missing=len(missing), problem=problems[-1] if problems else "")
    if failure and failure.asked_at > now() - REST:
        return replace(run, problem=failure.problem) if missing else run
    # First those that were never asked for: one that the model does not manage must not hold up the others.
    waiting.sort(key=lambda wanted: asked[wanted].requests if wanted in asked else 0)
    until, failures = monotonic() + limits.seconds, 0
    for wanted in waiting:
        if problem := _limit(engine, limits, now(), until - monotonic()):
            return run if failures else replace(run, problem=problem)
        state, problem, for_all = _write(engine, model, wanted, papers[wanted], until - monotonic(), now())
        if state is SummaryState.READY:
            run = replace(run, written=run.written + 1, missing=run.missing - 1)
        else:
            run = replace(run, problem=problem)
        failures = failures + 1 if state is SummaryState.FAILED else 0
        if for_all or failures == _FAILURES:
            break
    return run if run.missing else replace(run, problem="")


def month_of(now: datetime) -> datetime:
    """The beginning of a month, in UTC."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _may_ask(asked: Asked, now: datetime, seconds: float) -> bool:
    if asked.state is SummaryState.ASKED and asked.asked_at > now - timedelta(seconds=seconds):
        return False  # another process waits for the answer
    most = _MOST_ANSWERS if asked.state is SummaryState.UNUSABLE else _MOST_REQUESTS
    return asked.requests < most


def _limit(engine: Engine, limits: SummaryLimits, now: datetime, left: float) -> str:
    """Why no further request is sent; "" if one may be."""
    if left < 1:
        return f"there was no more time ({limits.seconds:.0f} seconds)"
    with read_only(engine) as connection:
        sent = requests_since(connection, month_of(now))
    if sent >= limits.monthly_requests:
        return f"the {limits.monthly_requests:,} requests of this month are used up"
    return ""


def _write(
    engine: Engine, model: LanguageModel, wanted: SummaryKey, paper: Paper, left: float, now: datetime
) -> tuple[SummaryState, str, bool]:
    """Ask for one summary and store the outcome; the last value says that all others would fail too."""
    with transaction(engine) as connection:
        note_request(connection, wanted, model.name, now)
    text = problem = ""
    for_all = False
    try:
        text = sentence_in(model.answer(instructions(wanted.language), data(paper), left), paper, wanted.language)
        state = SummaryState.READY
    except Unusable as fault:
        state, problem = SummaryState.UNUSABLE, str(fault)
    except ModelUnavailable as fault:
        state, problem, for_all = SummaryState.FAILED, str(fault), fault.for_all
    with transaction(engine) as connection:
        keep_answer(connection, wanted, state, text, problem)
    if problem:
        log.warning("a summary was not written", paper=wanted.paper_id, language=wanted.language, problem=problem)
    return state, problem, for_all

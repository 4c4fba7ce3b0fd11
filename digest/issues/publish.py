"""Cutting the issue: rank the pool, freeze it, queue one delivery for every reader who is due; and halting it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection, Engine

from digest.issues.issue import IssueStatus
from digest.papers.collection import Collected, Outcome
from digest.papers.health import told_to_readers
from digest.papers.late import late_days
from digest.papers.paper import Observed, RankedPaper
from digest.papers.ranking import FORMULA, Weights, rank
from digest.papers.track_record import RECORD_DAYS, track_records
from digest.store import events
from digest.store.audience import Slot, distinct_slots, fan_out
from digest.store.database import reading, transaction
from digest.store.issues import NewIssue, add_issue, issue_id_on, issue_on, last_cut, set_candidates, set_status
from digest.store.papers import last_collections, past, pool
from digest.subscribers.subscriber import due_instant, local_day

DAILY = "daily"
_THIN = 10  # papers that surfaced since the cut before; with fewer, readers are told why


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator decided about issues. `settings` are those that show in the mails, frozen with the issue."""

    cut: time  # UTC
    pool_days: int
    papers: int  # how many ranked papers an issue keeps
    weights: Weights
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Published:
    """The issue of a date. `created` is False when it had been cut before; then nothing was changed."""

    date: date
    issue_id: int
    created: bool
    papers: int
    candidates: int
    note: str


class NothingToCut(Exception):
    """There is not one paper, and it is not known whether there should be; the message says why. Nothing was stored."""


def date_to_cut(now: datetime, cut: time) -> date | None:
    """The date whose issue should be there by now, None before today's cut.

    Only today's: a date that passed while no scheduler ran is not cut afterwards; its papers are in the next pool.
    """
    return now.date() if now.time() >= cut else None


def publish(engine: Engine, plan: Plan, day: date, now: datetime) -> Published:
    """Cut the issue of `day` at `now`, once: a second call, or a second scheduler, finds it and changes nothing.

    Raises NothingToCut when there are no papers and a source failed or was never read: an empty issue would stay empty
    when the source is back. Without papers on a quiet day the issue is cut, empty, and says so.
    """
    with transaction(engine) as connection:
        created = issue_id_on(connection, DAILY, day) is None and _cut(connection, plan, day, now)
        issue = issue_on(connection, DAILY, day)
    if issue is None:
        raise RuntimeError(f"the issue of {day} was neither there nor could it be cut")
    return Published(day, issue.id, created, len(issue.papers), issue.candidates, issue.note)


def draft(engine: Engine, plan: Plan, now: datetime) -> tuple[RankedPaper, ...]:
    """The list that an issue cut at `now` would hold; nothing is stored."""
    with reading(engine) as connection:
        papers = _pool(connection, plan, now)
        return _ranked(connection, papers, plan, now, last_cut(connection, DAILY, now.date()))


def _pool(connection: Connection, plan: Plan, now: datetime) -> list[Observed]:
    return pool(connection, now - timedelta(days=plan.pool_days), now)


def _ranked(
    connection: Connection, papers: Sequence[Observed], plan: Plan, now: datetime, previous_cut: datetime | None
) -> tuple[RankedPaper, ...]:
    records = track_records(past(connection, now - timedelta(days=RECORD_DAYS), now), now)
    late = {one.paper.id: days for one in papers if (days := late_days(one, previous_cut))}
    ranked = rank(papers, plan.weights, now, records)[: plan.papers]
    return tuple(replace(one, late_days=late[one.paper.id]) if one.paper.id in late else one for one in ranked)


def _cut(connection: Connection, plan: Plan, day: date, now: datetime) -> bool:
    """Store the issue and queue its mails; False when another scheduler was faster."""
    previous_cut = last_cut(connection, DAILY, day)
    papers = _pool(connection, plan, now)
    ranked = _ranked(connection, papers, plan, now, previous_cut)
    runs = last_collections(connection, now)
    failing = [run for run in runs if run.outcome is Outcome.FAILING]
    if not ranked and (failing or not runs):
        raise NothingToCut(_in_words(failing) or "No source was ever read. Run: digest collect")
    since = previous_cut or now - timedelta(days=1)
    surfaced = sum(one.first_seen_at > since for one in papers)
    note = _note(runs, plan, now, surfaced, bool(ranked))
    settings = dict(plan.settings) | {"pool_days": str(plan.pool_days)}
    new = NewIssue(DAILY, day, now, FORMULA, plan.weights.as_dict(), settings, note)
    issue_id = add_issue(connection, new, ranked)
    if issue_id is None:
        return False
    candidates = fan_out(connection, issue_id, day, _slots(connection, plan, day), now)
    set_candidates(connection, issue_id, candidates)
    said = {"papers": len(ranked), "candidates": candidates, "failing": _in_words(failing)}
    events.record(connection, now, f"issue:{day}", "cut", said)
    return True


def _slots(connection: Connection, plan: Plan, day: date) -> list[Slot]:
    return [
        Slot(zone, hour, local_day(day, plan.cut, zone, hour), due_instant(day, plan.cut, zone, hour))
        for zone, hour in distinct_slots(connection)
    ]


def _note(runs: Sequence[Collected], plan: Plan, now: datetime, surfaced: int, any_papers: bool) -> str:
    """What readers are told when the issue is thin or empty; "" when nothing was wrong."""
    empty = "" if any_papers else f"No new papers were listed in the last {plan.pool_days} days."
    return " ".join(filter(None, [empty, told_to_readers(runs, now, thin=surfaced < _THIN)]))


def _in_words(failing: Sequence[Collected]) -> str:
    """The same for the operator, with what went wrong."""
    return " ".join(f"{run.source} could not be read: {run.message}." for run in failing)


def halt(engine: Engine, day: date, status: IssueStatus, now: datetime) -> bool | None:
    """Pause, resume or cancel the issue of `day`; False when it already was so (or is cancelled), None without one."""
    with transaction(engine) as connection:
        issue = issue_on(connection, DAILY, day)
        if issue is None:
            return None
        changed = set_status(connection, issue.id, status)
        if changed:
            events.record(connection, now, f"issue:{day}", str(status), {})
        return changed

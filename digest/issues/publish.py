"""Cutting the issue: rank the pool, freeze it, queue one delivery for every reader who is due; and halting it.

Beside the day's own issue there is a weekly one on dates on which somebody gets it, and a catch-up on dates on which
somebody comes back from a pause.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.issues.audience import Missed, Slot, also_due, distinct_slots, fan_out
from digest.issues.issue import IssueSettings
from digest.issues.profiles.affinities import keep_tastes
from digest.issues.store import (
    NewIssue,
    add_issue,
    issue_dates,
    issue_id_on,
    issue_on,
    last_cut,
    set_candidates,
    set_status,
)
from digest.language import SOURCE, Languages, Message, n_
from digest.ledger import events
from digest.ledger.kinds import ISSUE_OF, IssueKind, IssueStatus, Kind
from digest.papers.collecting import SourceHealth, SourceRun, last_runs, source_notes
from digest.papers.paper import Observed, RankedPaper
from digest.papers.ranking import FORMULA, RECORD_DAYS, RankingWeights, late_days, rank, track_records
from digest.papers.store import past, pool
from digest.subscribers.subscriber import due_instant, local_day

DAILY = IssueKind.DAILY
WEEK_DAYS = 7  # the papers of a weekly issue were first seen within so many days before its cut
CATCH_UP_DAYS = 30  # the longest pause that the form offers
MISSED_DAYS = 3  # issues without one mail that are made good by a catch-up
_THIN = 10  # papers that surfaced since the cut before; with fewer, readers are told why


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operator decided about issues. `settings` are those that show in the mails, frozen with the issue.

    In all `languages` it is said why an issue is thin.
    """

    cut: time  # UTC
    pool_days: int
    papers: int  # how many ranked papers an issue keeps
    weights: RankingWeights
    settings: IssueSettings
    languages: Languages = field(default_factory=Languages)


@dataclass(frozen=True, slots=True)
class Published:
    """The issue of a date. `created` is False when it had been cut before; then nothing was changed."""

    date: date
    issue_id: int
    created: bool
    papers: int
    candidates: int
    note: str
    also: Mapping[str, int]  # mails of the weekly issue and of the catch-up of this date, by their kind


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
        also = {str(kind): found.candidates for kind in _SPECIAL if (found := issue_on(connection, kind, day))}
    if issue is None:
        raise RuntimeError(f"the issue of {day} was neither there nor could it be cut")
    return Published(day, issue.id, created, len(issue.papers), issue.candidates, issue.note, also)


def draft(engine: Engine, plan: Plan, now: datetime) -> tuple[RankedPaper, ...]:
    """The list that an issue cut at `now` would hold; nothing is stored."""
    with read_only(engine) as connection:
        pool_ = _pool(connection, plan.pool_days, now)
        return _ranked(connection, plan, plan.weights, pool_, now, last_cut(connection, DAILY, now.date()))


def _pool(connection: Connection, days: int, now: datetime) -> list[Observed]:
    return pool(connection, now - timedelta(days=days), now)


def _ranked(
    connection: Connection,
    plan: Plan,
    weights: RankingWeights,
    papers: Sequence[Observed],
    now: datetime,
    previous_cut: datetime | None,
) -> tuple[RankedPaper, ...]:
    records = track_records(past(connection, now - timedelta(days=RECORD_DAYS), now), now)
    late = {one.paper.id: days for one in papers if (days := late_days(one, previous_cut))}
    ranked = rank(papers, weights, now, records)[: plan.papers]
    return tuple(replace(one, late_days=late[one.paper.id]) if one.paper.id in late else one for one in ranked)


def _cut(connection: Connection, plan: Plan, day: date, now: datetime) -> bool:
    """Store the issues of a date and queue their mails; False when another scheduler was faster."""
    papers, previous_cut = _pool(connection, plan.pool_days, now), last_cut(connection, DAILY, day)
    ranked = _ranked(connection, plan, plan.weights, papers, now, previous_cut)
    runs = last_runs(connection, now)
    failing = [run for run in runs if run.outcome is SourceHealth.FAILING]
    if not ranked and (failing or not runs):
        raise NothingToCut(_in_words(failing) or "No source was ever read. Run: digest collect")
    surfaced = sum(one.first_seen_at > (previous_cut or now - timedelta(days=1)) for one in papers)
    why_thin = source_notes(runs, now, thin=surfaced < _THIN)
    issue_id = _store(connection, plan, DAILY, day, now, ranked, why_thin)
    if issue_id is None:
        return False
    keep_tastes(connection, issue_id, [one.paper.id for one in ranked], now)
    slots = _slots(connection, plan, day)
    missed = _missed(connection, day)
    ids = {Kind.DIGEST: issue_id}
    for kind in also_due(connection, slots, missed):
        issue_kind = IssueKind(ISSUE_OF[kind])
        papers = _pool(connection, _SPECIAL[issue_kind], now)
        its_papers = _ranked(connection, plan, _weights(issue_kind, plan), papers, now, None)
        number = _store(connection, plan, issue_kind, day, now, its_papers, [])
        if number is not None:
            ids[kind] = number
            keep_tastes(connection, number, [one.paper.id for one in its_papers], now)
    candidates = fan_out(connection, ids, day, slots, now, missed)
    for kind, count in candidates.items():
        set_candidates(connection, ids[kind], count)
    said = {"papers": len(ranked), "candidates": candidates, "failing": _in_words(failing)}
    events.record(connection, now, f"issue:{day}", "cut", said)
    return True


_SPECIAL = {IssueKind.WEEKLY: WEEK_DAYS, IssueKind.CATCH_UP: CATCH_UP_DAYS}  # days of papers


def _weights(kind: IssueKind, plan: Plan) -> RankingWeights:
    """What looks back on a whole span of days does not count against a paper that it came early in it."""
    days = _SPECIAL.get(kind)
    return replace(plan.weights, lateness=0.0, fresh_days=float(days + 1)) if days else plan.weights


def _store(
    connection: Connection,
    plan: Plan,
    kind: IssueKind,
    day: date,
    now: datetime,
    ranked: Sequence[RankedPaper],
    why_thin: Sequence[Message],
) -> int | None:
    """The number of the new issue; None when there is one of this kind and date."""
    days = _SPECIAL.get(kind, plan.pool_days)
    why = list(why_thin)
    if not ranked:
        why.insert(0, _none_listed(days))
    notes = {code: " ".join(map(plan.languages.get(code).say, why)) for code in plan.languages.codes if why}
    note = notes.pop(SOURCE, "")
    overlap = plan.pool_days if kind is IssueKind.CATCH_UP else 0
    settings = replace(plan.settings, pool_days=days, overlap_days=overlap, notes=notes)
    weights = _weights(kind, plan).as_dict()
    return add_issue(connection, NewIssue(kind, day, now, FORMULA, weights, settings, note), ranked)


def _none_listed(days: int) -> Message:
    return n_(
        "No new papers were listed in the last day.", "No new papers were listed in the last %(num)s days.", num=days
    )


def _missed(connection: Connection, day: date) -> Missed | None:
    """Since when a paused reader got nothing to have missed enough; None while there are too few issues."""
    dates = issue_dates(connection, MISSED_DAYS, before=day)
    return Missed(dates[-1], day - timedelta(days=WEEK_DAYS)) if len(dates) == MISSED_DAYS else None


def _slots(connection: Connection, plan: Plan, day: date) -> list[Slot]:
    return [
        Slot(zone, hour, local_day(day, plan.cut, zone, hour), due_instant(day, plan.cut, zone, hour))
        for zone, hour in distinct_slots(connection)
    ]


def _in_words(failing: Sequence[SourceRun]) -> str:
    """The same for the operator, with what went wrong."""
    return " ".join(f"{run.source} could not be read: {run.message}." for run in failing)


def halt(engine: Engine, day: date, status: IssueStatus, now: datetime, kind: IssueKind = DAILY) -> bool | None:
    """Pause, resume or cancel an issue; False when it already was so (or is cancelled), None when there is none."""
    with transaction(engine) as connection:
        issue = issue_on(connection, kind, day)
        if issue is None:
            return None
        changed = set_status(connection, issue.id, status)
        if changed:
            said = {} if kind is DAILY else {"kind": kind}
            events.record(connection, now, f"issue:{day}", str(status), said)
        return changed

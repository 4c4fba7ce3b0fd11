"""Cutting an issue: rank the pool, freeze it and queue a delivery for each subscriber who is due; and pausing it.

A date also has a weekly issue if it is due for someone, and a catch-up issue if someone's pause has ended.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection, Engine

from digest.database.engine import read_only, transaction
from digest.issues.audience import DUE, Missed, Slot, also_due, count_due, distinct_slots, fan_out, put_first
from digest.issues.editing import (
    WEEK_DAYS,
    EditorialChoice,
    IssueList,
    choices_of,
    forget_old_choices,
    in_force,
    issue_list,
    lock_choices,
    pool_days,
    ranking_weights,
)
from digest.issues.issue import Issue, Plan
from digest.issues.profiles import place_papers, ready_space
from digest.issues.selection import RULES
from digest.issues.store import (
    NewIssue,
    add_issue,
    issue_dates,
    issue_id_on,
    issue_on,
    set_candidates,
    set_status,
)
from digest.language import SOURCE, Message, joined_sentences, n_
from digest.ledger import events, outbox, transitions
from digest.ledger.kinds import ISSUE_OF, IssueKind, IssueStatus, Kind
from digest.ledger.queueing import store_schedule
from digest.papers.collecting import SourceHealth, last_runs, source_notes
from digest.papers.paper import RankedPaper
from digest.papers.ranking import FORMULA
from digest.subscribers.subscriber import due_instant, local_day

DAILY = IssueKind.DAILY
MISSED_DAYS = 3  # issues that a subscriber must have missed in a row to get a catch-up
_SPECIAL = (IssueKind.WEEKLY, IssueKind.CATCH_UP)
_THIN = 10  # papers since the last cut; with fewer, the issue says why


@dataclass(frozen=True, slots=True)
class Published:
    """The issue of a date. `created` is False if it was cut before; then nothing was changed."""

    date: date
    issue_id: int
    created: bool
    papers: int
    candidates: int
    note: str
    also: Mapping[str, int]  # deliveries of the weekly and the catch-up issue of this date, by kind
    status: IssueStatus = IssueStatus.RUNNING  # the deliveries of a cancelled issue are not sent, so it has none


class NothingToCut(Exception):
    """There are no papers, perhaps because a source failed; the message says why. Nothing was stored."""


def date_to_cut(now: datetime, cut: time) -> date | None:
    """Return today once its cut is due, otherwise None.

    A date that passed while no scheduler ran is not cut afterwards; its papers are in the next pool.
    """
    return now.date() if now.time() >= cut else None


def publish(engine: Engine, plan: Plan, day: date, now: datetime) -> Published:
    """Cut the issue of `day` at `now`; a second call, also from another scheduler, changes nothing.

    Raises NothingToCut when there are no papers and a source failed or was never read: an empty issue would stay empty
    when the source is back. On a quiet day without papers the issue is empty and says so.
    """
    place_papers(engine, now)  # before the transaction; the background job has placed most
    with transaction(engine) as connection:
        created = _is_uncut(connection, day) and _Cut(connection, plan, day, now).make()
        issue = issue_on(connection, DAILY, day)
        also = {str(kind): _queued(special) for kind in _SPECIAL if (special := issue_on(connection, kind, day))}
    if issue is None:
        raise RuntimeError(f"the issue of {day} was neither there nor could it be cut")
    return Published(day, issue.id, created, len(issue.papers), _queued(issue), issue.note, also, issue.status)


def _is_uncut(connection: Connection, day: date) -> bool:
    """False if the date has an issue. If not, nobody else cuts it or makes a choice about it in this transaction."""
    if issue_id_on(connection, DAILY, day) is not None:
        return False
    lock_choices(connection)
    return issue_id_on(connection, DAILY, day) is None


def _queued(issue: Issue) -> int:
    return 0 if issue.status is IssueStatus.CANCELLED else issue.candidates


def count_recipients(engine: Engine, plan: Plan, day: date, now: datetime) -> int | None:
    """Return how many subscribers an issue of `day` would be mailed to; None if that date has an issue already."""
    with read_only(engine) as connection:
        if issue_id_on(connection, DAILY, day) is not None:
            return None
        return count_due(connection, _Cut(connection, plan, day, now).slots()).get(DUE, 0)


@dataclass(frozen=True, slots=True)
class Reach:
    """The subscribers of an issue as it would be now."""

    subscribers: int  # who would get it
    left_out: Mapping[str, int]  # those due on that day who would not, by reason
    also: tuple[str, ...]  # other kinds of issue that some of them would get instead


@dataclass(frozen=True, slots=True)
class Upcoming:
    """The next issue as it would be now."""

    date: date
    cut_at: datetime
    papers: tuple[RankedPaper, ...]  # its best
    reach: Reach
    choices: tuple[EditorialChoice, ...]  # that are in force for it


def upcoming(engine: Engine, plan: Plan, now: datetime) -> Upcoming:
    """Foresee the next issue: that of today until it is cut, then that of tomorrow. Nothing is stored."""
    with read_only(engine) as connection:
        day = next_day(connection, now)
        papers, choices = best_papers(connection, plan, day, now), in_force(choices_of(connection, day), day)
        return Upcoming(day, cut_time(plan, day), papers, reach_of(connection, plan, day, now), choices)


def cut_time(plan: Plan, day: date) -> datetime:
    return datetime.combine(day, plan.cut, UTC)


def reach_of(connection: Connection, plan: Plan, day: date, now: datetime) -> Reach:
    """Count the subscribers of an issue of `day`. This reads the row of every subscriber."""
    cut = _Cut(connection, plan, day, now)
    slots = cut.slots()
    left_out = count_due(connection, slots)
    due = left_out.pop(DUE, 0)
    return Reach(due, left_out, tuple(str(ISSUE_OF[kind]) for kind in also_due(connection, slots, cut.missed())))


def next_day(connection: Connection, now: datetime) -> date:
    """The date of the next issue: today until it is cut, then tomorrow."""
    is_cut = issue_id_on(connection, DAILY, now.date()) is not None
    return now.date() + timedelta(days=is_cut)


def best_papers(connection: Connection, plan: Plan, day: date, now: datetime) -> tuple[RankedPaper, ...]:
    """Return the best papers of the issue of `day` as it would be at `now`."""
    listed = issue_list(connection, plan, DAILY, day, now)
    return listed.papers[: listed.best]


@dataclass(frozen=True, slots=True)
class _Cut:
    """One cut of the issues of a date, in one transaction."""

    connection: Connection
    plan: Plan
    day: date
    now: datetime

    def make(self) -> bool:
        """Store the issues and queue their deliveries; False if another scheduler was faster."""
        listed = issue_list(self.connection, self.plan, DAILY, self.day, self.now)
        runs = last_runs(self.connection, self.now, self.plan.sources)
        failing = " ".join(
            f"{run.source} could not be read: {run.message}." for run in runs if run.outcome is SourceHealth.FAILING
        )
        if listed.is_quiet and not listed.papers and (failing or not runs):
            raise NothingToCut(failing or "No source was ever read. Run: digest collect")
        slots, missed = self.slots(), self.missed()
        left_out = count_due(self.connection, slots)
        left_out.pop(DUE, None)
        issue_id = self.store(DAILY, listed, source_notes(runs, self.now, thin=listed.recent < _THIN), left_out)
        if issue_id is None:
            return False
        ids = {Kind.DIGEST: issue_id}
        for kind in also_due(self.connection, slots, missed):
            issue_kind = IssueKind(ISSUE_OF[kind])
            special = issue_list(self.connection, self.plan, issue_kind, self.day, self.now)
            special_id = self.store(issue_kind, special)
            if special_id is not None:
                ids[kind] = special_id
        candidates = fan_out(self.connection, ids, self.day, slots, self.now, missed)
        for kind, count in candidates.items():
            set_candidates(self.connection, ids[kind], count)
        if self.plan.warm_up:
            put_first(self.connection, ids.values(), self.day)
        forget_old_choices(self.connection, self.day)
        store_schedule(self.connection, ids.values())
        detail = {"papers": min(len(listed.papers), listed.best), "candidates": candidates, "failing": failing}
        issue_events = [self.event(IssueKind(ISSUE_OF[kind]), candidates.get(kind, 0)) for kind in ids]
        outbox.publish(self.connection, outbox.EventType.ISSUE_CUT, self.now, issue_events)
        events.record(self.connection, self.now, f"issue:{self.day}", "cut", detail)
        return True

    def event(self, kind: IssueKind, candidates: int) -> outbox.NewEvent:
        return outbox.NewEvent({"issue": {"date": self.day.isoformat(), "kind": str(kind)}, "candidates": candidates})

    def store(
        self,
        kind: IssueKind,
        listed: IssueList,
        why_thin: Sequence[Message] = (),
        left_out: Mapping[str, int] | None = None,
    ) -> int | None:
        """Store an issue with its pool; None if its date has an issue of this kind already."""
        plan, days = self.plan, pool_days(kind, self.plan)
        is_empty = listed.is_quiet and not listed.papers
        why = [*plan.about, *([_none_listed(days)] if is_empty else []), *why_thin]
        notes = {code: joined_sentences(map(plan.languages.get(code).say, why)) for code in plan.languages.codes if why}
        note = notes.pop(SOURCE, "")
        overlap = plan.pool_days if kind is IssueKind.CATCH_UP else 0
        settings = replace(
            plan.settings,
            pool_days=days,
            overlap_days=overlap,
            floor=plan.floor,
            rules=RULES,
            notes=notes,
            left_out=left_out or {},
        )
        weights, space_id = ranking_weights(kind, plan).as_dict(), ready_space(self.connection)
        new = NewIssue(kind, self.day, self.now, FORMULA, weights, settings, note, space_id)
        return add_issue(self.connection, new, listed.papers[: listed.best], listed.papers[listed.best :])

    def missed(self) -> Missed | None:
        """Return since when paused subscribers must have had no issue; None while there are too few issues."""
        dates = issue_dates(self.connection, MISSED_DAYS, before=self.day)
        return Missed(dates[-1], self.day - timedelta(days=WEEK_DAYS)) if len(dates) == MISSED_DAYS else None

    def slots(self) -> list[Slot]:
        day, cut = self.day, self.plan.cut
        return [
            Slot(zone, hour, local_day(day, cut, zone, hour), due_instant(day, cut, zone, hour))
            for zone, hour in distinct_slots(self.connection)
        ]


def _none_listed(days: int) -> Message:
    return n_(
        "No new papers were listed in the last day.", "No new papers were listed in the last %(num)s days.", num=days
    )


def halt(
    engine: Engine, day: date, status: IssueStatus, now: datetime, kind: IssueKind = DAILY, reason: str = ""
) -> bool | None:
    """Pause, resume or cancel an issue; False if nothing changed, None if there is no such issue.

    Waiting deliveries of a cancelled issue are skipped at once, those that workers hold before they are sent.
    """
    with transaction(engine) as connection:
        issue = issue_on(connection, kind, day)
        if issue is None:
            return None
        changed = set_status(connection, issue.id, status)
        if changed and status is IssueStatus.CANCELLED:
            transitions.skip_cancelled(connection, now)
        if changed:
            detail: dict[str, str] = {} if kind is DAILY else {"kind": kind}
            detail |= {"reason": reason[:500]} if reason else {}
            events.record(connection, now, f"issue:{day}", str(status), detail)
        return changed

"""Issues: their sums and papers, a preview of their message, and what an operator may do with them."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Self

from fastapi import Body
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from digest import clock
from digest.database.engine import read_only
from digest.issues.audit import COUNTED, Audit, issue_sums
from digest.issues.issue import Issue
from digest.issues.publish import halt
from digest.issues.store import bare_issues, issue_id_on, issue_on
from digest.issues.withdrawing import show_again, withdraw
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.monitoring.api_tokens import TokenScope
from digest.web.api.access import ApiRouter, Caller, TheCaller
from digest.web.api.paging import ResourcePage, ThePart
from digest.web.api.papers import PaperResource
from digest.web.api.problems import ApiProblem
from digest.web.api.values import IssueDay, IssueKindName, ReasonGiven

router = ApiRouter(tags=["issues"])

_ONE = "/issues/{date}/{kind}"
_Reason = Annotated[ReasonGiven, Body()]
_NO_REASON = ReasonGiven(reason="")


class IssueResource(BaseModel):
    """The ranked papers of one date, and the messages that they go out in."""

    date: date
    kind: IssueKind
    status: IssueStatus
    cut_at: datetime
    withdrawn_at: datetime | None = Field(description="Since when no page shows it.")
    candidates: int = Field(description="Messages that were queued when it was cut.")
    note: str = Field(description='Why it is thin or empty; "" if it is neither.')
    formula: str

    @classmethod
    def of(cls, issue: Issue) -> Self:
        return cls(
            date=issue.date,
            kind=IssueKind(issue.kind),
            status=issue.status,
            cut_at=issue.cut_at,
            withdrawn_at=issue.withdrawn_at,
            candidates=issue.candidates,
            note=issue.note,
            formula=issue.formula,
        )


class IssuePage(ResourcePage):
    """Part of the list of issues."""

    items: list[IssueResource]


class DeliverySums(BaseModel):
    """Deliveries by state. With the skipped they add up to the candidates."""

    accepted: int
    queued: int
    deferred: int
    claimed: int
    sending: int
    uncertain: int
    refused: int
    expired: int
    quarantined: int
    skipped: dict[str, int] = Field(description="By reason.")
    not_queued: dict[str, int] = Field(description="Subscribers that the cut left out, by reason.")

    @classmethod
    def of(cls, sums: Audit) -> Self:
        counts = {name: getattr(sums, name) for name in COUNTED}
        return cls(**counts, skipped=dict(sums.skipped), not_queued=dict(sums.not_queued))


class IssueWithSums(BaseModel):
    """An issue with the sums of its deliveries."""

    issue: IssueResource
    deliveries: DeliverySums


class RankedPaperResource(BaseModel):
    """A paper as it was when the issue was cut."""

    rank: int
    score: float
    paper: PaperResource


class RankedPaperPage(ResourcePage):
    """Part of the list of an issue."""

    items: list[RankedPaperResource]


@router.read(TokenScope.ISSUES_READ, "/issues", errors=[404])
def list_issues(caller: TheCaller, part: ThePart) -> IssuePage:
    """List issues of every kind, cut last first."""
    before = part.after(int)
    with read_only(caller.site.engine) as connection:
        listed = bare_issues(connection, part.wanted, before[0] if before else None)
    shown, following = part.cut(listed, lambda each: (each.id,))
    return IssuePage(items=[IssueResource.of(each) for each in shown], next=following)


@router.read(TokenScope.ISSUES_READ, _ONE)
def show_issue(caller: TheCaller, day: IssueDay, kind: IssueKindName) -> IssueWithSums:
    """Show an issue with the sums of its deliveries."""
    return _with_sums(caller, day, kind)


@router.read(TokenScope.PAPERS_READ, _ONE + "/papers")
def list_papers_of_issue(
    caller: TheCaller,
    part: ThePart,
    day: IssueDay,
    kind: IssueKindName,
) -> RankedPaperPage:
    """List the best papers of an issue, by rank."""
    after = part.after(int)
    with read_only(caller.site.engine) as connection:
        issue = issue_on(connection, kind, day)
    if issue is None:
        raise no_issue(day, kind)
    listed = [each for each in issue.papers if each.rank > (after[0] if after else 0)]
    shown, following = part.cut(listed, lambda each: (each.rank,))
    items = [
        RankedPaperResource(rank=each.rank, score=each.score, paper=PaperResource.of(each.paper)) for each in shown
    ]
    return RankedPaperPage(items=items, next=following)


# --- actions; each may be repeated without changing anything more ---


@router.write(TokenScope.ISSUES_WRITE, "POST", _ONE + "/pause", errors=[409])
def pause_issue(caller: TheCaller, day: IssueDay, kind: IssueKindName, body: _Reason = _NO_REASON) -> IssueWithSums:
    """Pause an issue. Messages that are on their way still arrive. 409: it is cancelled."""
    return _halt(caller, day, kind, IssueStatus.PAUSED, body.reason)


@router.write(TokenScope.ISSUES_WRITE, "POST", _ONE + "/resume", errors=[409])
def resume_issue(caller: TheCaller, day: IssueDay, kind: IssueKindName) -> IssueWithSums:
    """Resume a paused issue. 409: it is cancelled."""
    return _halt(caller, day, kind, IssueStatus.RUNNING)


@router.write(TokenScope.ISSUES_WRITE, "POST", _ONE + "/cancel")
def cancel_issue(caller: TheCaller, day: IssueDay, kind: IssueKindName, body: _Reason = _NO_REASON) -> IssueWithSums:
    """Cancel an issue. Unsent messages will never be sent, and the date is not cut again."""
    return _halt(caller, day, kind, IssueStatus.CANCELLED, body.reason)


@router.write(TokenScope.ISSUES_WRITE, "POST", _ONE + "/withdraw")
def withdraw_issue(caller: TheCaller, day: IssueDay, kind: IssueKindName, body: _Reason = _NO_REASON) -> IssueWithSums:
    """Take an issue off the site and the feeds, and cancel what of it was not sent."""
    reason = " ".join(body.reason.split())
    return _change(caller, day, kind, lambda issue_id: withdraw(caller.site.engine, issue_id, reason, clock.now()))


@router.write(TokenScope.ISSUES_WRITE, "POST", _ONE + "/show-again")
def show_issue_again(caller: TheCaller, day: IssueDay, kind: IssueKindName) -> IssueWithSums:
    """Show a withdrawn issue on the site again. Cancelled messages stay cancelled."""
    return _change(caller, day, kind, lambda issue_id: show_again(caller.site.engine, issue_id, clock.now()))


def _halt(caller: Caller, day: date, kind: IssueKind, status: IssueStatus, reason: str = "") -> IssueWithSums:
    changed = halt(caller.site.engine, day, status, clock.now(), kind, " ".join(reason.split()))
    if changed is None:
        raise no_issue(day, kind)
    shown = _with_sums(caller, day, kind)
    if shown.issue.status is not status:
        raise ApiProblem(409, f"The issue is {shown.issue.status}.", reason=str(shown.issue.status))
    if changed and status is IssueStatus.RUNNING:
        caller.site.hint()
    return shown


def _change(caller: Caller, day: date, kind: IssueKind, change: Callable[[int], bool]) -> IssueWithSums:
    with read_only(caller.site.engine) as connection:
        issue_id = stored_issue_id(connection, day, kind)
    change(issue_id)
    return _with_sums(caller, day, kind)


def _with_sums(caller: Caller, day: date, kind: IssueKind) -> IssueWithSums:
    with read_only(caller.site.engine) as connection:
        issue_id = stored_issue_id(connection, day, kind)
        issue = bare_issues(connection, 1, issue_id + 1)[0]
        sums = issue_sums(connection, [issue])[issue_id]
    return IssueWithSums(issue=IssueResource.of(issue), deliveries=DeliverySums.of(sums))


def stored_issue_id(connection: Connection, day: date, kind: IssueKind) -> int:
    """Raises ApiProblem 404 where none was cut."""
    issue_id = issue_id_on(connection, kind, day)
    if issue_id is None:
        raise no_issue(day, kind)
    return issue_id


def no_issue(day: date, kind: IssueKind) -> ApiProblem:
    return ApiProblem(404, f"There is no {kind} issue of {day}.")

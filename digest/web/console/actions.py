"""The actions of operators on sending: pause, resume, cancel and retry. Each calls the function of a command."""

from collections.abc import Callable
from datetime import date

from fastapi import HTTPException, Response
from sqlalchemy import Connection

from digest import clock
from digest.database.engine import one_view, read_only, transaction
from digest.issues.publish import halt
from digest.issues.store import issue_id_on
from digest.ledger import events, listings, transitions
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.mail import pauses
from digest.monitoring.progress import read_progress
from digest.subscribers.preferences import Form, value
from digest.text import parse_domain
from digest.web.console.access import AnyRole, ConsoleRouter, OperatorOnly, Visitor, go_to
from digest.web.site import Posted

router = ConsoleRouter()

LONGEST_REASON = 200
ISSUE = "/issues/{day}/{kind}"
_RETRIES: dict[str, tuple[Callable[..., int], Callable[..., int]]] = {
    "quarantined": (listings.count_quarantined, transitions.retry),
    "uncertain": (listings.count_uncertain, transitions.retry_uncertain),
}


# --- an issue ---


@router.action(ISSUE + "/pause")
def pause_issue(visitor: OperatorOnly, form: Posted, day: date, kind: IssueKind) -> Response:
    return _halt(visitor, day, kind, IssueStatus.PAUSED, reason_in(form))


@router.action(ISSUE + "/resume")
def resume_issue(visitor: OperatorOnly, day: date, kind: IssueKind) -> Response:
    return _halt(visitor, day, kind, IssueStatus.RUNNING)


@router.page(ISSUE + "/cancel")
def ask_before_cancelling(visitor: AnyRole, day: date, kind: IssueKind) -> Response:
    """Say how many messages would never be sent."""
    with read_only(one_view(visitor.site.engine)) as connection:
        issue_id = stored_issue(connection, day, kind)
        shown, _ = read_progress(connection, clock.now())
    unsent = sum(issue.unfinished for issue in shown if issue.id == issue_id)
    return visitor.show(
        "sure",
        heading=f"Cancel the issue of {day}?",
        facts=[
            f"{unsent:,} messages that were not sent yet will never be sent.",
            "A cancelled issue can’t be resumed, and its date is not cut again.",
        ],
        action=f"/issues/{day}/{kind}/cancel",
        button="Cancel this issue",
        asks_why=True,
    )


@router.action(ISSUE + "/cancel")
def cancel_issue(visitor: OperatorOnly, form: Posted, day: date, kind: IssueKind) -> Response:
    return _halt(visitor, day, kind, IssueStatus.CANCELLED, reason_in(form))


def _halt(visitor: Visitor, day: date, kind: IssueKind, status: IssueStatus, reason: str = "") -> Response:
    changed = halt(visitor.site.engine, day, status, clock.now(), kind, reason)
    if changed is None:
        raise HTTPException(404)
    answer = _back_to(visitor, day, kind, str(status) if changed else "unchanged")
    if changed and status is IssueStatus.RUNNING:
        answer.background = visitor.site.hint_later()
    return answer


def _back_to(visitor: Visitor, day: date, kind: IssueKind, done: str) -> Response:
    """The first page for today's issue, its own page for another."""
    path = "" if day == clock.now().date() else f"/issues/{day}/{kind}"
    return go_to(visitor.site, f"{path}?done={done}")


# --- its deliveries that need a decision ---


@router.page(ISSUE + "/retry/{what}")
def ask_before_retrying(visitor: AnyRole, day: date, kind: IssueKind, what: str) -> Response:
    """Say how many would be sent, and that some may arrive twice."""
    count, _ = _retry(what)
    with read_only(visitor.site.engine) as connection:
        number = count(connection, stored_issue(connection, day, kind))
    twice = {
        "quarantined": "They are composed anew. A subscriber who did get an earlier copy gets a second message.",
        "uncertain": "The same bytes are sent again. A subscriber who did get the first copy gets a second one.",
    }
    return visitor.show(
        "sure",
        heading=f"Send {number:,} {what} messages again?",
        facts=[twice[what], "Once they are sent, this can’t be undone."],
        action=f"/issues/{day}/{kind}/retry/{what}",
        button="Queue them again",
        asks_why=False,
    )


@router.action(ISSUE + "/retry/{what}")
def retry(visitor: OperatorOnly, day: date, kind: IssueKind, what: str) -> Response:
    now, (_, again) = clock.now(), _retry(what)
    with transaction(visitor.site.engine) as connection:
        number = again(connection, now, stored_issue(connection, day, kind))
        if number:
            detail = {"deliveries": number, "uncertain": what == "uncertain"} | (
                {} if kind is IssueKind.DAILY else {"kind": kind}
            )
            events.record(connection, now, f"issue:{day}", "retried", detail)
    answer = _back_to(visitor, day, kind, "queued" if number else "unchanged")
    answer.background = visitor.site.hint_later()
    return answer


def _retry(what: str) -> tuple[Callable[..., int], Callable[..., int]]:
    """The functions that count deliveries and queue them again. Raises HTTPException 404."""
    if what not in _RETRIES:
        raise HTTPException(404)
    return _RETRIES[what]


# --- all sending, or one domain ---


@router.action("/sending/pause")
def pause_sending(visitor: OperatorOnly, form: Posted) -> Response:
    reason = reason_in(form) or "paused by the operator"
    pauses.pause_by_hand(visitor.site.engine, _scope(form), reason, clock.now())
    return go_to(visitor.site, "?done=sending-paused")


@router.action("/sending/resume")
def resume_sending(visitor: OperatorOnly, form: Posted) -> Response:
    try:
        was_paused = pauses.resume(visitor.site.engine, _scope(form), clock.now())
    except pauses.NotSettled:
        return go_to(visitor.site, "?done=unsettled")
    answer = go_to(visitor.site, f"?done={'sending-resumed' if was_paused else 'unchanged'}")
    answer.background = visitor.site.hint_later()
    return answer


def _scope(form: Form) -> str:
    """The domain in a form, or all sending. Raises HTTPException 400 for anything else."""
    text = value(form, "domain").strip().lower()
    if not text:
        return pauses.EVERYTHING
    domain = parse_domain(text)
    if domain is None:
        raise HTTPException(400)
    return domain


def reason_in(form: Form) -> str:
    return " ".join(value(form, "reason").split())[:LONGEST_REASON]


def stored_issue(connection: Connection, day: date, kind: IssueKind) -> int:
    """The id of an issue. Raises HTTPException 404 where none was cut."""
    issue_id = issue_id_on(connection, kind, day)
    if issue_id is None:
        raise HTTPException(404)
    return issue_id

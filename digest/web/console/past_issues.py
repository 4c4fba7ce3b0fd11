"""Past issues: the sums of each, who did not get it and why, and taking one off the site."""

from datetime import date
from typing import Annotated

from fastapi import Query, Response

from digest import clock
from digest.database.engine import one_view, read_only
from digest.issues.audit import examples, issue_sums, search
from digest.issues.silence import why_unsent
from digest.issues.store import bare_issues
from digest.issues.withdrawing import show_again, withdraw
from digest.ledger import events
from digest.ledger.kinds import IssueKind, Listing
from digest.ledger.listings import Search, count_uncertain
from digest.web.console.access import AnyRole, ConsoleRouter, OperatorOnly, go_to
from digest.web.console.actions import ISSUE, reason_in, stored_issue
from digest.web.console.issue_view import progress_of, view_of
from digest.web.console.operators_log import details_of
from digest.web.console.reports.votes import votes_behind
from digest.web.site import Posted

router = ConsoleRouter()

_ISSUES, _ROWS, _EVENTS = 20, 50, 30  # on a page
_EXAMPLES = 10  # of each state
Before = Annotated[int | None, Query(ge=1, le=2**62)]


@router.page("/issues")
def list_issues(visitor: AnyRole, before: Before = None) -> Response:
    """Newest first, with the sums of each."""
    now = clock.now()
    with read_only(one_view(visitor.site.engine)) as connection:
        issues = bare_issues(connection, _ISSUES + 1, before)
        sums = issue_sums(connection, issues[:_ISSUES])
        shown = [(issue, progress_of(issue, sums[issue.id])) for issue in issues[:_ISSUES]]
    return visitor.show(
        "issues",
        issues=[(issue, view_of(progress, None, now)) for issue, progress in shown],
        older=shown[-1][0].id if len(issues) > _ISSUES else None,
    )


@router.page(ISSUE)
def show_issue(
    visitor: AnyRole, day: date, kind: IssueKind, show: Listing | None = None, before: Before = None
) -> Response:
    """One issue; with `show`, its deliveries in that state, with the reason of each."""
    now = clock.now()
    with read_only(one_view(visitor.site.engine)) as connection:
        issue_id = stored_issue(connection, day, kind)
        issue = bare_issues(connection, 1, issue_id + 1)[0]
        sums = issue_sums(connection, [issue])[issue_id]
        rows = [] if show else examples(connection, issue_id, _EXAMPLES)
        if show and _count(sums, show):  # else the search would read what has left the listing until it is vacuumed
            rows = search(connection, Search(show, issue_id, limit=_ROWS + 1, before=before), now)
        held = count_uncertain(connection, issue_id) if sums.uncertain else 0
        happened = events.latest(connection, _EVENTS, f"issue:{day}")
        why = why_unsent(connection, sums, issue.note)
        votes = votes_behind(connection, issue) if not show else None
    return visitor.show(
        "issue",
        issue=issue,
        view=view_of(progress_of(issue, sums, held), None, now),
        unexplained=sums.unexplained,
        votes=votes,
        why_unsent=why,
        history=[(each, details_of(each)) for each in happened if each.detail.get("kind", IssueKind.DAILY) == kind],
        show=show,
        listings=[each for each in Listing if _count(sums, each)],
        rows=rows[:_ROWS],
        older=rows[_ROWS - 1].id if show and len(rows) > _ROWS else None,
    )


def _count(sums: object, listing: Listing) -> int:
    """The number of deliveries in a listing; of stuck ones, those that may be."""
    if listing is Listing.STUCK:
        return sum(_count(sums, each) for each in _MAY_BE_STUCK)
    counted = getattr(sums, listing.value)
    return sum(counted.values()) if isinstance(counted, dict) else int(counted)


_MAY_BE_STUCK = set(Listing) - {Listing.STUCK, Listing.REFUSED, Listing.EXPIRED, Listing.SKIPPED}


# --- off the site ---


@router.page(ISSUE + "/withdraw")
def ask_before_withdrawing(visitor: AnyRole, day: date, kind: IssueKind) -> Response:
    with read_only(one_view(visitor.site.engine)) as connection:
        issue_id = stored_issue(connection, day, kind)
        sums = issue_sums(connection, bare_issues(connection, 1, issue_id + 1))[issue_id]
    unsent = sums.queued + sums.deferred + sums.claimed + sums.sending
    return visitor.show(
        "sure",
        heading=f"Withdraw the issue of {day}?",
        facts=[
            "Its page leaves the site and the feeds; its papers stay in the archive. This can be undone.",
            f"{unsent:,} messages that were not sent yet will never be sent. That can’t be undone."
            if unsent
            else "No message waits to be sent.",
        ],
        action=f"/issues/{day}/{kind}/withdraw",
        button="Withdraw this issue",
        asks_why=True,
    )


@router.action(ISSUE + "/withdraw")
def withdraw_issue(visitor: OperatorOnly, form: Posted, day: date, kind: IssueKind) -> Response:
    engine = visitor.site.engine
    with read_only(engine) as connection:
        issue_id = stored_issue(connection, day, kind)
    changed = withdraw(engine, issue_id, reason_in(form), clock.now())
    return go_to(visitor.site, f"/issues/{day}/{kind}?done={'withdrawn' if changed else 'unchanged'}")


@router.action(ISSUE + "/show-again")
def show_issue_again(visitor: OperatorOnly, day: date, kind: IssueKind) -> Response:
    engine = visitor.site.engine
    with read_only(engine) as connection:
        issue_id = stored_issue(connection, day, kind)
    changed = show_again(engine, issue_id, clock.now())
    return go_to(visitor.site, f"/issues/{day}/{kind}?done={'shown' if changed else 'unchanged'}")

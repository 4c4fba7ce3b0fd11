"""Messages that were refused: the newest, their sums, and the share of each issue."""

from datetime import datetime
from typing import Annotated

from fastapi import HTTPException, Query, Response
from sqlalchemy import Connection

from digest import clock
from digest.bounces.freeze import unfreeze
from digest.database.engine import read_only
from digest.issues.audit import issue_sums
from digest.issues.store import issues_between
from digest.ledger.kinds import FailureKind, IssueKind, RefusalClass, code_subject
from digest.mail.policy_codes import with_meaning
from digest.monitoring.late_bounces import late_bounces, report_counts
from digest.monitoring.refusals import LATELY, Position, RefusalSearch, refusal_sums, refusals
from digest.subscribers.preferences import value
from digest.text import parse_domain, parse_instant
from digest.web.console.access import AnyRole, ConsoleRouter, OperatorOnly, go_to
from digest.web.console.reports.plot import Column, Plot, columns
from digest.web.site import Posted

router = ConsoleRouter()

_ROWS = 50


@router.page("/bounces")
def list_bounces(
    visitor: AnyRole,
    domain: Annotated[str, Query(max_length=253)] = "",
    about: RefusalClass | None = None,
    before: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Show refusals, newest first. The first page without filters also shows messages that came back later."""
    now, domain = clock.now(), domain.strip().lower()
    wanted = RefusalSearch(parse_domain(domain) or "", about, _position(before))
    with read_only(visitor.site.engine) as connection:
        accepted, refused = _of_issues(connection, now)
        rows, older = refusals(connection, wanted, _ROWS)
        sums = refusal_sums(connection, now - LATELY)
        is_first_of_all = not (domain or about or before)
        late = late_bounces(connection, _ROWS, since=now - LATELY)[0] if is_first_of_all else []
        reports = report_counts(connection, (now - LATELY).date())
    return visitor.show(
        "bounces",
        domain=domain,
        is_domain=bool(wanted.domain) or not domain,
        about=about,
        subjects=list(RefusalClass),
        accepted=accepted,
        refused=refused,
        rows=rows if wanted.domain or not domain else [],
        sums=sums,
        subject_of=code_subject,
        late=late,
        meaning=with_meaning,
        came_back={kind: reports.of(kind) for kind in FailureKind},
        rejected=reports.rejected,
        older=f"{older[0].isoformat()}~{older[1]}" if older else "",
    )


@router.action("/bounces/unfreeze")
def unfreeze_suppression(visitor: OperatorOnly, form: Posted) -> Response:
    """Apply the held reports, or discard them."""
    ended = unfreeze(visitor.site.engine, clock.now(), discard=value(form, "held") == "discard")
    return go_to(visitor.site, f"/bounces?done={'unfrozen' if ended else 'unchanged'}")


def _of_issues(connection: Connection, now: datetime) -> tuple[Plot, Plot]:
    """Charts of accepted and of refused messages by daily issue, each on its own scale."""
    stored = [
        issue
        for issue in issues_between(connection, (now - LATELY).date(), now.date())
        if issue.kind == IssueKind.DAILY
    ]
    sums = issue_sums(connection, stored)
    return (
        columns([Column(str(each.date), [("accepted", sums[each.id].accepted, "accepted")]) for each in stored]),
        columns([Column(str(each.date), [("failed", sums[each.id].refused, "refused")]) for each in stored]),
    )


def _position(stored: str) -> Position | None:
    """The last refusal of the page before. Raises HTTPException 404 for anything else."""
    if not stored:
        return None
    at, _, number = stored.partition("~")
    instant = parse_instant(at)
    if instant is None or not number.isascii() or not number.isdecimal() or int(number) >= 2**62:
        raise HTTPException(404)
    return instant, int(number)

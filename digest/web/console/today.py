"""The first page: today's issue, what is wrong, what is paused and what runs."""

from fastapi import Response

from digest import clock
from digest.monitoring.checks import Level, problems
from digest.monitoring.status import read_status
from digest.web.console.access import AnyRole, ConsoleRouter
from digest.web.console.issue_view import view_of

router = ConsoleRouter()


@router.page("")
def today(visitor: AnyRole) -> Response:
    now = clock.now()
    status = read_status(visitor.site.engine, visitor.site.settings, now)
    found = problems(status)
    return visitor.show(
        "today",
        status=status,
        problems=found,
        critical=Level.CRITICAL,
        issues=[view_of(issue, status.rate, now) for issue in status.issues],
    )

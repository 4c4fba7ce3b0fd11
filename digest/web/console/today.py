"""The first page: today's issue, what is wrong, what is paused and what runs."""

from fastapi import Response

from digest import clock
from digest.monitoring.checks import Level, problems
from digest.monitoring.status import read_status
from digest.web.console.access import AnyRole, ConsoleRouter
from digest.web.console.issue_view import view_of

router = ConsoleRouter()

# What a page says after an action, by the name in its address.
NOTICES = {
    "paused": "The issue is paused. Messages that are on their way still arrive.",
    "running": "The issue goes on.",
    "cancelled": "The issue is cancelled.",
    "unchanged": "Nothing changed: it was so already, or somebody was faster.",
    "queued": "They are queued again.",
    "sending-paused": "Sending is paused. Messages that are on their way still arrive.",
    "sending-resumed": "Sending goes on.",
}


@router.page("")
def today(visitor: AnyRole, done: str = "") -> Response:
    now = clock.now()
    status = read_status(visitor.site.engine, visitor.site.settings, now)
    found = problems(status)
    return visitor.show(
        "today",
        status=status,
        problems=found,
        critical=Level.CRITICAL,
        issues=[view_of(issue, status.rate, now) for issue in status.issues],
        notice=NOTICES.get(done, ""),
    )

"""Day by day: to how many the issue went, or why nothing was sent."""

from datetime import date, timedelta

from fastapi import Response

from digest import clock
from digest.database.engine import read_only
from digest.monitoring.days import DayReport, days, first_day
from digest.web.console.access import AnyRole, ConsoleRouter
from digest.web.console.issue_view import IssueView, progress_of, view_of

router = ConsoleRouter()

_DAYS = 30  # on a page


@router.page("/days")
def list_days(visitor: AnyRole, before: date | None = None) -> Response:
    """Newest first; those `before` a date."""
    now, settings = clock.now(), visitor.site.settings
    today = now.date()
    last = min(before - timedelta(days=1), today) if before and before > date.min else today
    with read_only(visitor.site.engine) as connection:
        begin = first_day(connection, settings.sources, today)
        first = max(last - timedelta(days=_DAYS - 1), begin)
        reports = days(connection, settings, first, last, now) if first <= last else []
    return visitor.show(
        "days",
        days=[(report, _view(report)) for report in reports],
        today=today,
        begin=begin,
        older=first if begin < first <= last else None,
    )


def _view(report: DayReport) -> IssueView | None:
    if report.issue is None or report.sums is None:
        return None
    return view_of(progress_of(report.issue, report.sums), None, clock.now())

"""Domains: their subscribers, how their servers reply, and what limits sending to them."""

from fastapi import Response

from digest import clock
from digest.database.engine import read_only
from digest.ledger.replies import ReplyClass
from digest.monitoring.domains import domains
from digest.web.console.access import AnyRole, ConsoleRouter
from digest.web.console.issue_view import BAR_WIDTH

router = ConsoleRouter()

_DAYS = 7  # of replies


@router.page("/domains")
def list_domains(visitor: AnyRole) -> Response:
    settings = visitor.site.settings
    with read_only(visitor.site.engine) as connection:
        reports = domains(connection, settings.limits, clock.now(), _DAYS)
    most = max((report.subscribers for report in reports), default=0) or 1
    return visitor.show(
        "domains",
        domains=[(report, round(BAR_WIDTH * report.subscribers / most, 2)) for report in reports],
        replies=ReplyClass,
        days=_DAYS,
        rate=settings.limits.rate,
    )

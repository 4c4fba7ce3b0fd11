"""Subscribers over time, and why people left."""

from collections.abc import Sequence

from fastapi import Response

from digest import clock
from digest.database.engine import read_only
from digest.subscribers.growth import GrowthRow, quick_growth
from digest.subscribers.subscriber import Period
from digest.web.console.access import AnyRole, ConsoleRouter
from digest.web.console.reports.plot import Column, Plot, columns, line

router = ConsoleRouter()


@router.page("/growth")
def show_growth(visitor: AnyRole, by: Period = Period.DAY) -> Response:
    """By day, week or month."""
    today = clock.now().date()
    with read_only(visitor.site.engine) as connection:
        grown = quick_growth(connection, by, by.first_day(today), today)
    return visitor.show(
        "growth",
        by=by,
        periods=list(Period),
        grown=grown,
        total=line([(str(row.first), row.total) for row in grown.rows]),
        changes=_changes(grown.rows),
    )


def _changes(rows: Sequence[GrowthRow]) -> Plot:
    """Those who came above a line, and those who left below it."""
    return columns(
        [
            Column(str(row.first), [("accepted", row.confirmed, "confirmed"), ("failed", -row.left, "left")])
            for row in rows
        ]
    )

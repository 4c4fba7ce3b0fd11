"""The command subscribers count."""

from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from digest import clock
from digest.cli.lookup import reading
from digest.cli.options import date_option
from digest.cli.output import answer, table, with_json
from digest.subscribers.subscriber import Period

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.subscribers.growth import Growth

_BAR = 40  # columns


Since = Annotated[date | None, date_option("--since", "First day.", "30 days, 12 weeks or 12 months ago")]


@with_json
def count(
    by: Annotated[Period, typer.Option("--by", help="Length of a row; weeks begin on Monday.")] = Period.WEEK,
    since: Since = None,
) -> None:
    """Count subscribers over time: signed up, confirmed, left and the total, with the reasons for leaving.

    Someone who was deleted counts in no row, since nothing about them is kept.
    """
    from digest.subscribers.growth import growth

    today = clock.now().date()
    first = since or by.first_day(today)
    if first > today:
        raise typer.BadParameter(f"{first} is in the future", param_hint="--since")
    with reading() as connection:
        grown = growth(connection, by, first, today)
    answer(asdict(grown), lambda: _lines(grown))


def _lines(grown: "Growth") -> list[str]:
    most = max((row.total for row in grown.rows), default=0) or 1
    heading = ("from", "signed up", "confirmed", "left", "total", "")
    rows = [
        (row.first, row.signed_up, row.confirmed, row.left, row.total, "█" * round(_BAR * row.total / most))
        for row in grown.rows
    ]
    reasons = [f"{count} left because: {reason}" for reason, count in grown.reasons.items()]
    now = ", ".join(f"{number} {status}" for status, number in grown.now.items()) or "no subscribers"
    return [*table([heading, *rows]), *reasons, f"Now: {now}."]

"""Options that several commands share, and how their texts are read."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer

from digest import clock
from digest.ledger.kinds import IssueKind

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")]
Day = Annotated[str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="The date; today when left out.")]
Which = Annotated[
    IssueKind, typer.Option("--kind", help="The day's own issue, the weekly one, or the one after a pause.")
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", metavar="INSTANT", help="Act as if it were this instant (ISO 8601, UTC).")
]


def the_instant(as_of: str | None) -> datetime:
    """The instant of `--as-of`, or now. Without a zone it is UTC."""
    if as_of is None:
        return clock.now()
    try:
        instant = datetime.fromisoformat(as_of)
    except ValueError:
        raise typer.BadParameter(
            f"{as_of!r} is not an instant; write 2026-11-23T06:00:00Z", param_hint="--as-of"
        ) from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def the_day(text: str | None, now: datetime) -> date:
    """The date of `--date`, or the date of `now`."""
    if text is None:
        return now.date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date; write 2026-11-23", param_hint="--date") from None

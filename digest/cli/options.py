"""Options that several commands share, and how their texts are read."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer

from digest import clock
from digest.ledger.kinds import IssueKind


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a date; write 2026-11-23") from None


def _instant(text: str) -> datetime:
    """Without a zone it is UTC."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not an instant; write 2026-11-23T06:00:00Z") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _issue_kind(text: str) -> IssueKind:
    """By the kind of message that the issue is sent as."""
    try:
        return IssueKind(IssueKind.DAILY if text == "digest" else text)
    except ValueError:
        raise typer.BadParameter(f"unknown kind {text!r} (available: digest, weekly, catch-up)") from None


def date_option(name: str, help_: str, default: str = "") -> typer.models.OptionInfo:
    """An option that takes a date; `default` says what it is when left out."""
    option: typer.models.OptionInfo = typer.Option(
        *name.split(), metavar="YYYY-MM-DD", parser=_date, help=help_, show_default=default or False
    )
    return option


DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would happen, without changing anything.")]
Day = Annotated[date | None, date_option("--date --issue", "Date of the issue.", "today")]
OfKind = Annotated[
    IssueKind,
    typer.Option(
        "--kind",
        metavar="KIND",
        parser=_issue_kind,
        help="Kind of issue: digest, weekly or catch-up.",
        show_default="digest",
    ),
]
AsOf = Annotated[
    datetime | None,
    typer.Option("--as-of", metavar="INSTANT", parser=_instant, help="Act as if it were this instant (ISO 8601, UTC)."),
]


def day_of(day: date | None, now: datetime | None = None) -> date:
    """The date of `--date`, or today."""
    return day or (now or clock.now()).date()

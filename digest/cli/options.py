"""Options that several commands share, and how their texts are read."""

import getpass
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from math import isfinite
from typing import Annotated, Any, TypeVar

import typer

from digest import clock
from digest.ledger.kinds import IssueKind
from digest.settings.environment import OPERATOR_VARIABLE
from digest.text import parse_date, parse_instant

T = TypeVar("T")


def _parser(parse: Callable[[str], T], complaint: str) -> Callable[[str], T]:
    """`parse`, with `complaint` about a text that it rejects."""

    def parser(text: str) -> T:
        try:
            return parse(text)
        except ValueError:
            raise typer.BadParameter(complaint.format(text)) from None

    return parser


def _instant(text: str) -> datetime:
    instant = parse_instant(text)
    if instant is None:
        raise ValueError
    return instant.astimezone(UTC)


def _date(text: str) -> date:
    day = parse_date(text)
    if day is None:
        raise ValueError
    return day


def _issue_kind(text: str) -> IssueKind:
    """By the kind of message that the issue is sent as."""
    return IssueKind.DAILY if text == "digest" else IssueKind(text)


def _weight(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    if not isfinite(weight := float(value)):
        raise ValueError
    return name.strip(), weight


def date_option(name: str, help_: str, default: str = "") -> Any:
    """An option that takes a date; `default` says what it is when left out."""
    parser = _parser(_date, "{!r} is not a date; write 2026-11-23")
    return typer.Option(*name.split(), metavar="YYYY-MM-DD", parser=parser, help=help_, show_default=default or False)


def weight_option(name: str, metavar: str, help_: str) -> Any:
    """An option that takes the name of a weight and its value."""
    parser = _parser(_weight, "{!r}: write waiting=0.02")
    return typer.Option(name, metavar=metavar, parser=parser, help=help_)


DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would happen, without changing anything.")]
Day = Annotated[date | None, date_option("--date --issue", "Date of the issue.", "today")]
OfKind = Annotated[
    IssueKind,
    typer.Option(
        "--kind",
        metavar="KIND",
        parser=_parser(_issue_kind, "unknown kind {!r} (available: digest, weekly, catch-up)"),
        help="Kind of issue: digest, weekly or catch-up.",
        show_default="digest",
    ),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        metavar="INSTANT",
        parser=_parser(_instant, "{!r} is not an instant; write 2026-11-23T06:00:00Z"),
        help="Act as if it were this instant (ISO 8601, UTC).",
    ),
]


def operator() -> str:
    """Who runs this command: DIGEST_OPERATOR, or the name of the login."""
    try:
        return os.environ.get(OPERATOR_VARIABLE) or getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in a container
        return f"user {os.getuid()}"


def day_of(day: date | None, now: datetime | None = None) -> date:
    """The date of `--date`, or today."""
    return day or (now or clock.now()).date()

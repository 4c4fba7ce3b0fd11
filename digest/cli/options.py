"""Options that several commands share, and how their texts are read."""

import functools
import getpass
import inspect
import os
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from math import isfinite
from typing import Annotated, Any, TypeVar

import typer

from digest import clock
from digest.ledger.kinds import IssueKind
from digest.settings.environment import OPERATOR_VARIABLE
from digest.text import parse_date, parse_instant

T = TypeVar("T")
_COMPLETED = 30  # dates of issues
_DAYS = {"yesterday": -1, "today": 0, "tomorrow": 1}


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
    if (days := _DAYS.get(text.strip().lower())) is not None:
        return clock.now().date() + timedelta(days=days)
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


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", text):  # more do not fit into a column
        raise ValueError
    return int(text)


def number_parser(listing: str) -> Callable[[str], int]:
    """A parser of the number of something that the command `listing` lists."""
    return _parser(_number, f"{{!r}} is not one of the numbers that {listing} shows")


def date_option(name: str, help_: str, default: str = "") -> Any:
    """An option that takes a date; `default` says what it is when left out."""
    parser = _parser(_date, "{!r} is not a date; write 2026-11-23, today, yesterday or tomorrow")
    help_ = f"{help_.rstrip('.')}: 2026-11-23, today, yesterday or tomorrow (UTC)."
    return typer.Option(
        *name.split(),
        metavar="DAY",
        parser=parser,
        help=help_,
        show_default=default or False,
        autocompletion=_days_to_complete,
    )


def _days_to_complete(incomplete: str) -> list[str]:
    """For the shell: the days with a name, and the newest issues where there is a database."""
    dates: list[str] = []
    with suppress(Exception):  # whatever is missing, the shell has nowhere to show it
        from digest.cli.lookup import reading
        from digest.issues.store import issue_dates

        with reading() as connection:
            dates = [str(day) for day in issue_dates(connection, _COMPLETED)]
    return [text for text in (*_DAYS, *dates) if text.startswith(incomplete)]


def weight_option(name: str, metavar: str, help_: str) -> Any:
    """An option that takes the name of a weight and its value."""
    parser = _parser(_weight, "{!r}: write waiting=0.02")
    return typer.Option(name, metavar=metavar, parser=parser, help=help_)


Address = Annotated[str, typer.Argument(help="Email address.")]
Why = Annotated[str, typer.Option("--reason", help="Why; audit, doctor and lists show it.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would happen, without changing anything.")]
Day = Annotated[date | None, date_option("--date --issue", "Date of the issue.", "today")]
OfKind = Annotated[
    IssueKind,
    typer.Option(
        "--kind",
        metavar="KIND",
        parser=_parser(_issue_kind, "unknown kind {!r} (available: digest, weekly, catch-up, notice)"),
        help="Kind of issue: digest, weekly, catch-up or notice.",
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


def with_options(gather: Callable[..., object], name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A decorator for a command that adds the options of `gather` to it, whose result is the parameter `name`."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        options, others = inspect.signature(gather).parameters, dict(inspect.signature(command).parameters)
        del others[name]

        @functools.wraps(command)
        def run(**given: Any) -> None:
            command(**{name: gather(**{option: given.pop(option) for option in options})}, **given)

        run.__signature__ = inspect.Signature([*others.values(), *options.values()])  # type: ignore[attr-defined]
        run.__annotations__ = {option: each.annotation for option, each in (others | dict(options)).items()}
        return run

    return decorate


def operator() -> str:
    """The name of the person at the shell: DIGEST_OPERATOR, or the login."""
    try:
        return os.environ.get(OPERATOR_VARIABLE) or getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in a container
        return f"user {os.getuid()}"


def day_of(day: date | None, now: datetime | None = None) -> date:
    """The date of `--date`, or today."""
    return day or (now or clock.now()).date()

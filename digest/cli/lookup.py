"""Look-ups that commands share: the database, an issue by its date, a subscriber by their address."""

from contextlib import ExitStack
from datetime import date
from typing import TYPE_CHECKING

import typer

from digest.cli.output import NotReady
from digest.ledger.kinds import IssueKind
from digest.settings import settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from digest.issues.issue import Issue
    from digest.subscribers.subscriber import Subscriber

_open = ExitStack()


def open_database() -> "Engine":
    """An engine that close_databases() disposes of."""
    from digest import wiring

    engine = wiring.engine(settings())
    _open.callback(engine.dispose)
    return engine


def close_databases() -> None:
    """Close what the command opened."""
    _open.close()


def stored_issue(engine: "Engine", day: date, kind: IssueKind = IssueKind.DAILY) -> "Issue":
    """The issue of `day` and `kind`. Raises NotReady, naming the newest dates, when it was not cut."""
    from digest.database.engine import read_only
    from digest.issues.store import issue_dates, issue_on

    with read_only(engine) as connection:
        issue = issue_on(connection, kind, day)
        dates = issue_dates(connection, 3, kind)
    if issue is None:
        newest = ", ".join(map(str, dates))
        advice = f"The newest are {newest}." if newest else "Run: digest publish"
        which = "" if kind is IssueKind.DAILY else f"{kind} "
        raise NotReady(f"There is no {which}issue of {day}. {advice}")
    return issue


def known_subscriber(engine: "Engine", address: str) -> "Subscriber":
    """Raises NotReady when nobody has this address."""
    from digest.database.engine import read_only
    from digest.subscribers.store import by_key

    with read_only(engine) as connection:
        subscriber = by_key(connection, key_of(address))
    if subscriber is None:
        raise NotReady(f"{address} is not subscribed. To list subscribers: digest subscribers list")
    return subscriber


def key_of(address: str) -> str:
    """The recipient key of an address. Raises typer.BadParameter for an invalid one."""
    from digest.subscribers.addresses import BadAddress, normalise
    from digest.subscribers.subscriber import recipient_key

    try:
        return recipient_key(normalise(address), settings().secret_keys[-1])
    except BadAddress as problem:
        raise typer.BadParameter(str(problem)) from None

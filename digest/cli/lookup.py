"""Look-ups that commands share: the database, an issue by its date, a subscriber by their address."""

from contextlib import AbstractContextManager, ExitStack
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

import typer

from digest.cli.options import operator
from digest.cli.output import NotReady
from digest.ledger.kinds import IssueKind
from digest.settings import settings

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

    from digest.issues.issue import Issue
    from digest.subscribers.subscriber import Subscriber

opened = ExitStack()  # what the command opened; closed at its end


@cache
def _engine() -> "Engine":
    from digest import wiring
    from digest.database.engine import checkpoint
    from digest.ledger.events import acting

    engine = wiring.engine(settings())
    opened.enter_context(acting(operator(), "shell"))
    opened.callback(checkpoint, engine)
    opened.callback(_engine.cache_clear)
    opened.callback(open_database.cache_clear)
    return engine


@cache
def open_database() -> "Engine":
    """The engine of this command. Raises NotReady if its tables are not those of this version."""
    from digest.database.engine import read_only
    from digest.database.migrate import why_not_current

    with read_only(_engine()) as connection:
        if remedy := why_not_current(connection):
            raise NotReady(f"The database is not ready. {remedy}")
    return _engine()


def migrated_database() -> "Engine":
    """The engine of this command, with its tables upgraded. Only `digest migrate` and `digest up` make a database."""
    from digest.database.migrate import migrate

    with _engine().connect():  # an error if there is none
        pass
    migrate(settings().database)
    return _engine()


def reading() -> "AbstractContextManager[Connection]":
    """The database, for reading only."""
    from digest.database.engine import read_only

    return read_only(open_database())


def hint_workers() -> None:
    """Tell the workers to check the ledger."""
    from digest import hints

    hints.hint(settings().redis_url.get_secret_value())


def issue_or_none(day: date, kind: IssueKind) -> "Issue | None":
    """The issue of `day` and `kind`, if it was cut."""
    from digest.issues.store import issue_on

    with reading() as connection:
        return issue_on(connection, kind, day)


def stored_issue(day: date, kind: IssueKind = IssueKind.DAILY, whole: bool = False) -> "Issue":
    """The issue of `day` and `kind`; `whole`: with its pool beyond the best.

    Raises NotReady, naming the newest dates, when it was not cut.
    """
    from digest.issues.store import issue_dates, issue_on

    with reading() as connection:
        issue = issue_on(connection, kind, day, whole)
        newest = ", ".join(map(str, issue_dates(connection, 3, kind)))
    if issue is None:
        advice = f"The newest are {newest}." if newest else "Run: digest publish"
        which = "" if kind is IssueKind.DAILY else f"{kind} "
        raise NotReady(f"There is no {which}issue of {day}. {advice}")
    return issue


def known_subscriber(address: str) -> "Subscriber":
    """Raises NotReady when nobody has this address."""
    from digest.subscribers.store import by_key

    with reading() as connection:
        subscriber = by_key(connection, key_of(address))
    if subscriber is None:
        raise NotReady(f"{address} is not subscribed. To list subscribers: digest subscribers list")
    return subscriber


def require_mail_server() -> None:
    """Raise NotReady if the settings name no mail server."""
    if not settings().relays:
        raise NotReady("DIGEST_SMTP_URL is not set. Write smtp+starttls://user:password@host:587, with your own.")


def key_of(address: str) -> str:
    """The recipient key of an address. Raises typer.BadParameter for an invalid one."""
    from digest.subscribers.subscriber import recipient_key

    return recipient_key(valid_address(address), settings().secret_keys[-1])


def valid_address(text: str) -> str:
    """An address as it is stored. Raises typer.BadParameter for an invalid one."""
    from digest.subscribers.addresses import BadAddress, normalise

    try:
        return normalise(text, settings().own_domains)
    except BadAddress as problem:
        raise typer.BadParameter(str(problem)) from None

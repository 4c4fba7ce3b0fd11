"""The commands subscribers list and subscribers export, which print as they read."""

import csv
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from digest.cli.lookup import open_database, reading
from digest.cli.output import answer_each, row_of, table, with_json, writes_json
from digest.cli.watching import watched
from digest.ledger.kinds import Status
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from digest.subscribers.subscriber import Subscriber

_HEADING = ("address", "status", "papers", "balance", "hour", "zone", "topics")
_WIDTHS = (44, 12, 9, 7, 4, 16, 16)  # of a list that is too long to be measured before it is printed
_MEASURED = 200  # rows

OfStatus = Annotated[Status | None, typer.Option(help="Only this status.")]


@with_json
def list_(status: OfStatus = None) -> None:
    """List subscribers and their preferences. A long list is printed while it is read, also as JSON."""
    from digest.subscribers.store import with_status

    with reading() as connection:
        answer_each(with_status(connection, status), asdict, _lines)


@with_json
def export() -> None:
    """Export every subscriber and suppression as CSV, or with --json as JSON with the same rows.

    `subscribers import` restores all of it, also in another installation with the same secret key.
    """
    from digest.database.engine import one_view, read_only
    from digest.subscribers.imports import count_exported, exported
    from digest.subscribers.tokens import key_id

    with read_only(one_view(open_database())) as connection:
        rows = exported(connection, key_id(settings().secret_keys[-1]))
        heading = list(next(rows))
        watched_rows = watched(rows, "Exporting", count_exported(connection), every=100)
        if writes_json():
            answer_each(watched_rows, lambda row: dict(zip(heading, row, strict=True)), lambda _rows: ())
        else:
            writer = csv.writer(sys.stdout)
            writer.writerow(heading)
            writer.writerows(watched_rows)


def _lines(listed: "Iterable[Subscriber]") -> Iterator[str]:
    rows = map(_row, listed)
    first = list(islice(rows, _MEASURED))
    if len(first) < _MEASURED:
        yield from table([_HEADING, *first])
        return
    for row in (_HEADING, *first):
        yield row_of(row, _WIDTHS)
    for row in rows:
        yield row_of(row, _WIDTHS)


def _row(subscriber: "Subscriber") -> tuple[str, ...]:
    wants = subscriber.preferences
    papers = f"{'always' if wants.full_lists else 'up to'} {wants.papers}"
    chosen = (papers, str(wants.balance), f"{wants.hour:02}", wants.zone, ",".join(wants.topics))
    return (subscriber.email, str(subscriber.status), *chosen)

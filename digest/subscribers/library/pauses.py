"""When to ask a service again that did not answer: later each time."""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, select

from digest.database.dialect import insert_or_change
from digest.database.tables import library_pauses

_FIRST, _LONGEST = timedelta(seconds=15), timedelta(hours=1)


class Service(StrEnum):
    """Stored."""

    ARXIV = "arxiv"
    CROSSREF = "crossref"
    ZOTERO = "zotero"


def silent_services(connection: Connection, now: datetime) -> set[Service]:
    """Return the services that are not asked for now."""
    query = select(library_pauses.c.service).where(library_pauses.c.until > now)
    return {Service(service) for service in connection.scalars(query)}


def failures_of(connection: Connection, service: Service) -> int:
    """Return how many times in a row it has not answered."""
    query = select(library_pauses.c.failures).where(library_pauses.c.service == service)
    return connection.scalar(query) or 0


def note_failure(connection: Connection, service: Service, now: datetime) -> int:
    """Wait twice as long as after the last failure, and return how many these are in a row."""
    failures = failures_of(connection, service) + 1
    until = now + min(_FIRST * 2 ** min(failures, 20), _LONGEST)
    row = {"service": str(service), "failures": failures, "until": until}
    connection.execute(insert_or_change(connection, library_pauses, ["service"]), [row])
    return failures


def note_answer(connection: Connection, service: Service) -> None:
    connection.execute(delete(library_pauses).where(library_pauses.c.service == service))

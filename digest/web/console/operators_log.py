"""The operators' log: who did what, when and why."""

from typing import Annotated

from fastapi import Query, Response

from digest.database.engine import read_only
from digest.ledger import events
from digest.web.console.access import AnyRole, ConsoleRouter

router = ConsoleRouter()

_ROWS = 50


@router.page("/log")
def show_log(visitor: AnyRole, before: Annotated[int | None, Query(ge=1, le=2**62)] = None) -> Response:
    """Newest first. Subscribers are named by their keys: the log never contains an address."""
    with read_only(visitor.site.engine) as connection:
        rows = events.of_people(connection, _ROWS + 1, before)
    shown = rows[:_ROWS]
    return visitor.show(
        "log",
        events=[(event, details_of(event)) for _, event in shown],
        older=shown[-1][0] if len(rows) > _ROWS else None,
    )


def details_of(event: events.Event) -> str:
    """The details of an event, in one line."""
    others = {name: _plain(value) for name, value in event.detail.items() if name not in ("by", "through", "kind")}
    return "; ".join(f"{name}: {value}" for name, value in others.items() if value)


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)

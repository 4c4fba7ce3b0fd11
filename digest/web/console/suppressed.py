"""Addresses that get no email, and why. Of those whose subscriber is deleted, only a hash is stored."""

from datetime import datetime
from typing import Annotated

from fastapi import HTTPException, Path, Query, Response

from digest import clock
from digest.database.engine import read_only
from digest.subscribers.addresses import BadAddress, normalise
from digest.subscribers.preferences import value
from digest.subscribers.subscriber import recipient_key
from digest.subscribers.suppressions import all_suppressions, lift_by_hand, suppress_by_hand, suppression_of
from digest.text import parse_instant
from digest.web.console.access import AnyRole, ConsoleRouter, OperatorOnly, Visitor, go_to
from digest.web.console.actions import reason_in
from digest.web.site import Posted

router = ConsoleRouter()

_ROWS = 50


@router.page("/suppressions")
def list_suppressions(
    visitor: AnyRole,
    q: Annotated[str, Query(max_length=254)] = "",
    before: Annotated[str, Query(max_length=100)] = "",
) -> Response:
    """Newest first; `q` is a whole address, whose hash is looked up."""
    q = q.strip()
    with read_only(visitor.site.engine) as connection:
        key = _key(visitor, q) if q else ""
        reason = suppression_of(connection, key) if key else None
        rows = all_suppressions(connection, _ROWS + 1, _position(before))
    shown = rows[:_ROWS]
    last = shown[-1] if len(rows) > _ROWS else None
    return visitor.show(
        "suppressions",
        q=q,
        key=key,
        reason=reason,
        suppressions=shown,
        older=f"{last.created_at.isoformat()}~{last.key}" if last else "",
    )


def _position(text: str) -> tuple[datetime, str] | None:
    """The last row of the page before. Raises HTTPException 404 for anything else."""
    if not text:
        return None
    at, _, key = text.partition("~")
    instant = parse_instant(at)
    if instant is None:
        raise HTTPException(404)
    return instant, key


def _key(visitor: Visitor, address: str) -> str:
    """The recipient key of an address; "" if it is not valid."""
    try:
        return recipient_key(normalise(address, visitor.site.settings.own_domains), visitor.site.secret)
    except BadAddress:
        return ""


@router.action("/suppressions/add")
def suppress_address(visitor: OperatorOnly, form: Posted) -> Response:
    key = _key(visitor, value(form, "address"))
    if not key:
        raise HTTPException(400)
    changed = suppress_by_hand(visitor.site.engine, key, reason_in(form), clock.now())
    return go_to(visitor.site, f"/suppressions?done={'suppressed' if changed else 'not-suppressed'}")


@router.action("/suppressions/{key}/lift")
def lift_address(visitor: OperatorOnly, key: Annotated[str, Path(pattern="^[0-9a-f]{32}$")]) -> Response:
    changed = lift_by_hand(visitor.site.engine, key, clock.now())
    return go_to(visitor.site, f"/suppressions?done={'lifted' if changed else 'unchanged'}")

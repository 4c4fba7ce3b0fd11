"""Messages that wait: for another attempt, or for a person."""

from fastapi import Response

from digest import clock
from digest.database.engine import read_only
from digest.issues.audit import search
from digest.ledger.kinds import Listing
from digest.ledger.listings import Search
from digest.web.console.access import AnyRole, ConsoleRouter

router = ConsoleRouter()

_ROWS = 50  # of each sort


@router.page("/waiting")
def list_waiting(visitor: AnyRole) -> Response:
    now = clock.now()
    with read_only(visitor.site.engine) as connection:
        put_off = search(connection, Search(Listing.DEFERRED, limit=_ROWS + 1), now)
        overdue = search(connection, Search(Listing.STUCK, limit=_ROWS), now)
    return visitor.show("waiting", retried=put_off[:_ROWS], has_more=len(put_off) > _ROWS, stuck=overdue)

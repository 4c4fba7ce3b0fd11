"""What an operator stops and lets go on: all sending, or mail to one destination. Workers see it within a second."""

from datetime import datetime

from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.ledger import events
from digest.mail.throttle import store
from digest.mail.throttle.breaker import SUBJECT
from digest.mail.throttle.limits import EVERYTHING, Pause


def stop(engine: Engine, scope: str, reason: str, now: datetime) -> None:
    """Begin no mail in `scope` (a destination domain, or EVERYTHING) until resume()."""
    with transaction(engine) as connection:
        store.set_pause(connection, Pause(scope, now, None, reason))
        events.record(connection, now, _subject(scope), "stopped", {"reason": reason, "until": ""})


def resume(engine: Engine, scope: str, now: datetime) -> bool:
    """Send again, whoever or whatever stopped it; False when nothing was stopped."""
    stopped = pause_of(engine, scope, now) is not None
    with transaction(engine) as connection:
        if store.clear(connection, scope) and stopped:
            events.record(connection, now, _subject(scope), "resumed", {"by": "hand"})
    return stopped


def pause_of(engine: Engine, scope: str, now: datetime) -> Pause | None:
    """The pause in force in `scope`."""
    with read_only(engine) as connection:
        return next((one for one in store.current(connection, now) if one.scope == scope), None)


def _subject(scope: str) -> str:
    return SUBJECT if scope == EVERYTHING else f"domain:{scope}"[:80]

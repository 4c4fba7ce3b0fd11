"""The circuit breaker of all workers: one row in the database. One object for each process; not for several threads.

It opens when the mail server takes no mail from us, whoever it is for. After a pause one worker tries one mail; an
acceptance closes it, another failure opens it for longer. What it holds back stays in the ledger as it is.
"""

from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine

from digest.database.engine import transaction
from digest.ledger import events
from digest.mail.throttle import store
from digest.mail.throttle.limits import BREAKS_AT, EVERYTHING, Pause
from digest.mail.throttle.responses import ResponseSummary, breaker_after

log = structlog.get_logger()

SUBJECT = "sending"  # of its events
BY_HAND = "resume by hand: digest resume --sending"
# A worker that dies with the one mail, or has none to send, leaves the next try to another after this time.
TRIAL = timedelta(minutes=1)


class Breaker:
    """`known` is the row as it was read a moment ago, None when there is none."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._trial: datetime | None = None  # until then this process may try one mail
        self._tried = False

    @property
    def trying(self) -> bool:
        """Whether this process has a single mail to try, or waits for its answer."""
        return self._trial is not None

    def why_open(self, known: Pause | None, now: datetime) -> str:
        """Why nothing may be sent, in words; "" when something may. The first to ask after a pause wins the trial."""
        if known is not None and known.until is not None and known.until == self._trial and known.holds(now):
            return "one mail is on its way to try the mail server again" if self._tried else ""
        self._trial = None
        if known is None or (not known.holds(now) and known.failures < BREAKS_AT):
            return ""
        if known.until is None:
            return f"sending is stopped ({known.reason}); {BY_HAND}"
        if not known.holds(now):
            return "" if self._win_trial(known, now) else "another worker tries the mail server again"
        return f"no mail is taken from us ({known.reason}); tried again at {clock(known.until)}; {BY_HAND}"

    def let_one_go(self, waits: list[timedelta]) -> None:
        """In a trial: of the mails that may go, only the first one does."""
        for place, wait in enumerate(waits):
            if self._trial is None or wait:
                continue
            if self._tried:
                waits[place] = TRIAL
            self._tried = True

    def has_to_learn(self, said: ResponseSummary) -> bool:
        """Whether learn() would change anything; call it for each window."""
        if self._trial is not None and said.heard:
            self._tried = False  # an answer that says nothing of us: another mail may be tried at once
        return said.failures > 0 or (said.accepted > 0 and self._trial is not None)

    def learn(self, connection: Connection, said: ResponseSummary, now: datetime) -> None:
        """What a window's answers say of us."""
        if said.failures:
            self._count(connection, said, now)
        elif said.accepted and self._trial is not None:
            if store.end_trial(connection, EVERYTHING, self._trial):
                events.record(connection, now, SUBJECT, "resumed", {"by": "a mail that was accepted"})
                log.info("the mail server takes our mail again")
            self._trial = None

    def _win_trial(self, ended: Pause, now: datetime) -> bool:
        with transaction(self._engine) as connection:
            if not store.win_trial(connection, ended, now + TRIAL):
                return False
        self._trial, self._tried = now + TRIAL, False
        return True

    def _count(self, connection: Connection, said: ResponseSummary, now: datetime) -> None:
        known = store.locked(connection, EVERYTHING, now)
        trying = self._trial is not None and known.until == self._trial
        after = breaker_after(known, said, now, trying)
        if after == known:
            return
        self._trial = None
        store.set_pause(connection, after)
        if after.until is not None and after.holds(now):
            _report(connection, after, known.failures >= BREAKS_AT, now)


def clock(instant: datetime) -> str:
    """For people: to the minute, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _report(connection: Connection, opened: Pause, again: bool, now: datetime) -> None:
    """One alarm, however often it is tried in vain after that."""
    until = clock(opened.until) if opened.until else ""
    if again:
        log.warning("the mail server still takes no mail from us", reply=opened.reason, next=f"tried again at {until}")
        return
    events.record(connection, now, SUBJECT, "stopped", {"reason": opened.reason, "until": until})
    log.error(
        "the mail server takes no mail from us: sending is stopped; nothing is lost, and nobody is suppressed",
        reply=opened.reason,
        next=f"tried again at {until}; {BY_HAND}",
    )

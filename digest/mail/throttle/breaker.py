"""The circuit breaker that all workers share: a pause of EVERYTHING. One object per process; used by one thread.

It opens after five failures in a row that are about us, whoever the messages are for; refusals of recipients count if
three domains made them. After the pause one worker tries one message: an acceptance closes it, another failure opens it
for longer. It suppresses no addresses.

Strangers can sign up addresses whose servers refuse us, so neither does a refusal of such a recipient count
(responses.py), nor is mail to them the trial after refusals of recipients.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection, Engine, exists, select

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, subscribers
from digest.ledger import events
from digest.ledger.kinds import State
from digest.mail import pauses
from digest.mail.pauses import ABOUT_US_FROM, BREAKS_AT, EVERYTHING, NOT_PAUSED, Pause
from digest.mail.policy_codes import with_meaning
from digest.mail.throttle.responses import ResponseSummary
from digest.text import minute_of

log = structlog.get_logger()

BY_HAND = "resume by hand: digest resume --sending"
# If a worker dies with the message of the trial, or has none to send, another may try after this time.
_TRIAL = timedelta(minutes=1)
# The mail server rejects us (5.7.x, 535, …): twice as long after each trial that failed.
_FIRST_REFUSED, _MAX_REFUSED = timedelta(minutes=5), timedelta(hours=1)
# It cannot be reached, fails at TLS, or says "not now": it may be restarting.
_UNREACHABLE = timedelta(minutes=1)
_LATELY = timedelta(days=2)
_REMEMBERED = 10  # refusals of recipients in a row


class Breaker:
    """`pause` is the row of EVERYTHING as it was read a moment ago, None if there is none."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.trial: datetime | None = None  # until then this process may try one message, or waits for its reply
        self._is_trying = False
        self._about_recipients = False  # what opened it before this trial

    def why_open(self, pause: Pause | None, now: datetime) -> str:
        """For people; "" when messages may be sent. The first process to ask after a pause gets the trial."""
        if pause is not None and pause.until is not None and pause.until == self.trial and pause.is_in_force(now):
            return "one message is trying the mail server again" if self._is_trying else ""
        self.trial = None
        if pause is None or (not pause.is_in_force(now) and pause.failures < BREAKS_AT):
            return ""
        if pause.until is None:
            return f"sending is paused ({pause.reason}); {BY_HAND}"
        if not pause.is_in_force(now):
            with transaction(self._engine) as connection:
                won = pauses.win_trial(connection, pause, now + _TRIAL)
            if not won:
                return "another worker is trying the mail server again"
            self.trial, self._is_trying = now + _TRIAL, False
            self._about_recipients = pause.is_about_recipients
            return ""
        reason, next_try = with_meaning(pause.reason), minute_of(pause.until)
        return f"the mail server rejects our messages ({reason}); next try at {next_try}; {BY_HAND}"

    def admit_one(self, waits: list[timedelta], requested: Mapping[int, str], now: datetime) -> None:
        """During a trial only the first message goes that can tell something about us.

        `requested`: the domains of the messages that someone asked for, by their index.
        """
        for index, wait in enumerate(waits):
            if self.trial is not None and not wait:
                if self._is_trying or not self._may_try(requested.get(index, ""), now):
                    waits[index] = _TRIAL
                else:
                    self._is_trying = True

    def _may_try(self, requested_by: str, now: datetime) -> bool:
        if not requested_by or not self._about_recipients:
            return True
        with read_only(self._engine) as connection:
            return _has_accepted(connection, requested_by, now - _LATELY)

    def record(self, connection: Connection, summary: ResponseSummary, now: datetime) -> set[str]:
        """Open or close, after the replies to a window with failures or during a trial. Returns the domains that
        refuse us while no others do.
        """
        if summary.attempted:
            self._is_trying = False  # if the reply says nothing about us, another message may be tried at once
        if summary.failures or summary.refusing:
            return self._count(connection, summary, now)
        if summary.accepted and self.trial is not None:
            if pauses.end_trial(connection, EVERYTHING, self.trial):
                events.record(
                    connection, now, pauses.event_subject(EVERYTHING), "resumed", {"after": "an accepted message"}
                )
                log.info("the mail server accepts our messages again")
            self.trial = None
        return set()

    def _count(self, connection: Connection, summary: ResponseSummary, now: datetime) -> set[str]:
        before = pauses.locked(connection, EVERYTHING, now)
        in_trial = self.trial is not None and before.until == self.trial
        after = after_failures(before, summary, now, in_trial)
        if after == before and not in_trial:
            return set()
        pauses.set_pause(connection, after)
        if summary.failures or after.is_about_recipients:  # else a trial tells nothing yet, and goes on
            self.trial = None
            self._report(connection, before, after, now)
        return _refusing_alone(after)

    def _report(self, connection: Connection, before: Pause, after: Pause, now: datetime) -> None:
        if after.until is None or not after.is_in_force(now):
            return
        until = minute_of(after.until)
        if before.failures >= BREAKS_AT:  # one alarm, however many trials fail after it
            log.warning("the mail server still rejects our messages", reply=after.reason, next=f"next try at {until}")
            return
        details = {"reason": after.reason, "until": until}
        events.record(connection, now, pauses.event_subject(EVERYTHING), "stopped", details)
        log.error(
            "the mail server rejects our messages: sending is paused; nothing is lost, and nobody is suppressed",
            reply=with_meaning(after.reason),
            next=f"next try at {until}; {BY_HAND}",
        )


def after_failures(before: Pause, summary: ResponseSummary, now: datetime, in_trial: bool) -> Pause:
    """The row of EVERYTHING after a window with failures. `in_trial`: the window was the message of a trial."""
    if before.is_in_force(now) and not in_trial:
        return before  # messages that were on the wire when it opened
    earlier = replace(before, until=NOT_PAUSED, failures=0, refusing=()) if summary.accepted else before
    refusing = (*earlier.refusing, *summary.refusing)[-_REMEMBERED:]
    by_recipients = bool(summary.refusing) and len(set(refusing)) >= ABOUT_US_FROM
    if not (summary.failures or by_recipients):
        return replace(earlier, reason=summary.reply, refusing=refusing)
    failures = earlier.failures + summary.failures
    refused = summary.refused or by_recipients
    if earlier.failures < BREAKS_AT:  # several workers may notice at the same time
        is_enough = failures + len(refusing) * by_recipients >= BREAKS_AT
        failures = BREAKS_AT if is_enough else failures
    else:
        failures = failures + len(summary.refusing) * by_recipients if refused else earlier.failures
    longer = min(_FIRST_REFUSED * (1 << min(max(failures - BREAKS_AT, 0), 10)), _MAX_REFUSED)
    until = now + (longer if refused else _UNREACHABLE) if failures >= BREAKS_AT else NOT_PAUSED
    since = earlier.since if earlier.failures >= BREAKS_AT else now  # a trial that fails is the same failure
    return replace(before, since=since, until=until, reason=summary.reply, failures=failures, refusing=refusing, by="")


def _refusing_alone(pause: Pause) -> set[str]:
    """The one or two domains that refused ten messages in a row, too few for it to be about us."""
    is_often = len(pause.refusing) == _REMEMBERED and not pause.is_about_recipients
    return {domain for domain in pause.refusing if pause.refusing.count(domain) >= BREAKS_AT} if is_often else set()


def _has_accepted(connection: Connection, domain: str, since: datetime) -> bool:
    accepted = exists().where(
        deliveries.c.recipient == subscribers.c.key,
        deliveries.c.state == State.ACCEPTED,
        deliveries.c.finished_at >= since,
    )
    of_domain = subscribers.c.email.iendswith(f"@{domain}", autoescape=True)
    return connection.execute(select(subscribers.c.id).where(of_domain, accepted).limit(1)).first() is not None

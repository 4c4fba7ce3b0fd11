"""Every schedule of the service. Ticks are in UTC; jobs read from the database what is due and remember nothing.

| job       | when             | what it does, also when it runs late                                       |
|-----------|------------------|----------------------------------------------------------------------------|
| collect   | every 30 minutes | reads today and yesterday, and each hour the pool's other days             |
| cut       | each minute      | cuts today's issue once it is time, waiting up to a minute for the sources |
|           |                  | (PATIENCE_SECONDS); a past date is never cut                               |
| summaries | each minute      | within the hour before a cut, has a model write what its papers lack       |
| sweep     | every 15 seconds | recovers dead workers' deliveries, expires overdue ones, hints the         |
|           |                  | workers, and carries out requests that an ended web process left over      |
| finish    | every 15 seconds | publishes that issues of which nothing waits any more are finished         |
| notices   | every 15 seconds | queues a notice to all subscribers that an operator has sent               |
| bounces   | each minute      | processes the reports in the Maildir and the IMAP mailbox                  |
| profiles  | each minute      | places new papers in the space, and computes the profiles of subscribers   |
|           |                  | who gave feedback                                                          |
| libraries | every 15 seconds | looks up what subscribers brought with their libraries, and computes the   |
|           |                  | profiles of those subscribers                                              |
| fit       | every 10 minutes | fits a space if there is feedback and the last is a week old, or the       |
|           |                  | archive has grown by half since; if that fails, the last stays in use      |
| similar   | every 5 minutes  | stores which papers are similar to each, for papers that have none stored, |
|           |                  | and a week later again                                                     |
| tidy      | each hour, first | deletes sign-ups that were never confirmed, bytes not needed for a retry,  |
|           | after a minute   | what deleted subscribers left behind in the files of the database, and     |
|           |                  | papers beyond the best of old issues that nobody was sent; counts the      |
|           |                  | issues that are finished and the subscribers of each day, notes the        |
|           |                  | largest destinations, and deletes rows older than DIGEST_KEEP_… allows     |

Running two schedulers is safe: the database lets only one cut the issue, and a hint may arrive twice.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.events import EVENT_JOB_ERROR, JobExecutionEvent
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import Engine

from digest import clock, machine_clock, wiring
from digest.bounces.intake.everywhere import take_everywhere
from digest.bounces.intake.taking import Taker
from digest.database.engine import DATABASE_AWAY, outage, problem_of, read_only, transaction
from digest.issues.issue import NOT_CUT
from digest.issues.profiles import ready_space, refresh_profiles, renew_space
from digest.issues.publish import DAILY, NothingToCut, date_to_cut, publish
from digest.issues.store import issue_id_on
from digest.issues.summaries import summarise, summarise_coming
from digest.ledger import deliveries, events, totals, transitions
from digest.ledger.messages import forget_messages
from digest.ledger.replies import NAMED_DOMAINS, name_destinations
from digest.mail.failures import forget_old_failures
from digest.mail.notices import queue_next
from digest.monitoring.heartbeats import Role
from digest.monitoring.retention.run import delete_old
from digest.monitoring.threads import threads
from digest.papers.collecting import collect_recent, last_runs
from digest.papers.search import store_similar_papers
from digest.settings import Settings
from digest.subscribers.address_change.asking import end_old_requests, queue_left_over
from digest.subscribers.admission import forget_full_buckets
from digest.subscribers.erasing import remove_traces
from digest.subscribers.form_requests import carry_out_left_over
from digest.subscribers.growth import count_days, largest_domains, store_days
from digest.subscribers.library.lookup import look_up
from digest.subscribers.subscriptions import purge_pending
from digest.subscribers.suppressions import lift_expired
from workers.tasks import MESSAGES_A_TASK

log = structlog.get_logger()
MOST_HINTS = 32
# Sources read within this time are not read again before a cut.
FRESH_ENOUGH = timedelta(minutes=10)
# A cut waits this long for all sources together, then uses what they have returned.
PATIENCE_SECONDS = 60.0

_FINISH_SECONDS = 15
# A domain with fewer is not named in metrics: it may be somebody's own.
_MIN_SUBSCRIBERS = 10


def run(settings: Settings, database: Engine) -> None:
    """Run the schedules until the process is told to stop."""
    with running(settings, database):
        while True:
            time.sleep(1.0)  # a signal just before an endless wait would not end it


@contextmanager
def running(settings: Settings, database: Engine) -> Iterator[None]:
    """Run the schedules in threads during this block. Jobs may still run at its end: end the process by a signal."""
    with ExitStack() as beside:
        for thread in threads(settings, Role.SCHEDULER):
            beside.enter_context(thread)
        # In a thread of its own: where APScheduler submits jobs it would swallow the signal that ends this process.
        schedule(Jobs(settings, database)).start()
        yield


def schedule(jobs: "Jobs") -> BackgroundScheduler:
    """The schedules above. Jobs live in memory, and one that is late runs once."""
    scheduler = BackgroundScheduler(
        timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    now = datetime.now(UTC)  # ticks follow the machine's clock even if a simulation moves ours
    for job, trigger, interval in (
        (jobs.collect, "interval", {"minutes": jobs.settings.collect_minutes}),
        (jobs.cut, "cron", {"second": 0}),
        (jobs.summaries, "interval", {"minutes": 1}),
        (jobs.sweep, "interval", {"seconds": jobs.settings.sweep_seconds}),
        (jobs.finish, "interval", {"seconds": _FINISH_SECONDS}),
        (jobs.notices, "interval", {"seconds": jobs.settings.sweep_seconds}),
        (jobs.bounces, "interval", {"minutes": 1}),
        (jobs.profiles, "interval", {"minutes": 1}),
        (jobs.libraries, "interval", {"seconds": jobs.settings.sweep_seconds}),
        (jobs.fit, "interval", {"minutes": 10}),
        (jobs.similar, "interval", {"minutes": 5}),
    ):
        scheduler.add_job(_run, trigger, [job], id=job.__name__, next_run_time=now, **interval)
    soon = now + timedelta(minutes=1)
    scheduler.add_job(_run, "interval", [jobs.tidy], id=jobs.tidy.__name__, next_run_time=soon, hours=1)
    scheduler.add_listener(_report, EVENT_JOB_ERROR)
    return scheduler


def _run(job: Callable[[], None]) -> None:
    """Run a job; each line that it logs names it."""
    with structlog.contextvars.bound_contextvars(job=job.__name__):
        job()


class Jobs:
    """The scheduled jobs. Each reads the clock and the database again."""

    def __init__(self, settings: Settings, database: Engine, hint: Callable[[int], object] | None = None) -> None:
        """`hint` tells so many workers to check the ledger, through Redis by default."""
        self.settings = settings
        self._engine = database
        self._hint = hint or wiring.hint(settings)
        self._one_reading = threading.Lock()

    def collect(self) -> None:
        """Read the sources, which also observes the votes."""
        with self._one_reading:
            # A source that takes longer than until the next reading does not hold up the others.
            self._collect(60.0 * self.settings.collect_minutes)

    def _collect(self, patience: float) -> None:
        sources = wiring.sources(self.settings, self._engine)
        collect_recent(self._engine, sources, clock.now(), self.settings.pool_days, patience=patience)

    def _read_for_the_cut(self) -> None:
        """Read the sources unless that was just done. Waits for a reading that is under way."""
        until = machine_clock.monotonic() + PATIENCE_SECONDS
        if not self._one_reading.acquire(timeout=PATIENCE_SECONDS):
            log.warning("the issue does not wait any longer for the sources", seconds=PATIENCE_SECONDS)
            return
        try:
            if self._last_read() < clock.now() - FRESH_ENOUGH:
                self._collect(max(0.0, until - machine_clock.monotonic()))
        finally:
            self._one_reading.release()

    def cut(self) -> None:
        """Cut today's issue when its time has come."""
        day = date_to_cut(clock.now(), self.settings.cut_at)
        if day is None:
            return
        with read_only(self._engine) as connection:
            if issue_id_on(connection, DAILY, day) is not None:
                return
        self._read_for_the_cut()
        summarise(self._engine, wiring.plan(self.settings), wiring.summaries(self.settings), day, clock.now)
        try:
            # The time after the reading, so that papers first seen in it belong to the pool.
            cut = publish(self._engine, wiring.plan(self.settings), day, clock.now())
        except NothingToCut as reason:
            log.warning("no issue yet; tried again each minute", date=str(day), reason=str(reason))
            with transaction(self._engine) as connection:
                events.record_once_a_day(connection, clock.now(), f"issue:{day}", NOT_CUT, {"reason": str(reason)})
        else:
            log.info("issue cut", date=str(day), papers=cut.papers, candidates=cut.candidates, note=cut.note)

    def summaries(self) -> None:
        """Have summaries written for the issue that is cut next."""
        summarise_coming(self._engine, wiring.plan(self.settings), wiring.summaries(self.settings), clock.now)

    def _last_read(self) -> datetime:
        with read_only(self._engine) as connection:
            return max((run.started_at for run in last_runs(connection)), default=datetime.min.replace(tzinfo=UTC))

    def sweep(self) -> None:
        """Recover, expire and skip deliveries, queue what was asked for, and hint the workers at what is due."""
        now = clock.now()
        wiring.recover(self.settings, self._engine)
        carry_out_left_over(self._engine, self.settings.secret_keys[-1], now)
        queue_left_over(self._engine, self.settings.secret_keys[-1], now)
        with transaction(self._engine) as connection:
            overdue = timedelta(hours=self.settings.overdue_hours)
            expired = transitions.expire(connection, now, overdue, self.settings.max_attempts)
            cancelled = transitions.skip_cancelled(connection, now)
            due = deliveries.due_count(connection, now, MESSAGES_A_TASK * MOST_HINTS)
        outage.end()
        if expired or cancelled:
            log.warning("the ledger was put in order", expired=expired, cancelled=cancelled)
        if due:
            self._hint(math.ceil(due / MESSAGES_A_TASK))

    def finish(self) -> None:
        """Publish that issues of which nothing waits any more are finished."""
        with read_only(self._engine) as connection:
            issue_ids = totals.unannounced_issues(connection)
        for issue_id in issue_ids:
            with transaction(self._engine) as connection:
                totals.announce_finished(connection, issue_id, clock.now())

    def notices(self) -> None:
        """Queue the notice that an operator has sent."""
        candidates = queue_next(self._engine, wiring.plan(self.settings).settings, clock.now())
        if candidates is not None:
            log.info("a notice is queued", candidates=candidates)
            self._hint(min(MOST_HINTS, math.ceil(candidates / MESSAGES_A_TASK)))

    def bounces(self) -> None:
        """Process waiting delivery reports and complaints."""
        if sources := self.settings.bounce_sources:
            count = take_everywhere(sources, Taker(self._engine, self.settings.secret_keys, clock.now))
            if count:
                log.info("delivery reports were processed", messages=count)

    def profiles(self) -> None:
        """Bring subscribers' profiles up to date with their feedback."""
        refresh_profiles(self._engine, clock.now())

    def libraries(self) -> None:
        """Look up subscribers' libraries. Someone waits for that, so their profiles follow at once."""
        if look_up(self._engine, wiring.libraries(self.settings), clock.now()):
            with read_only(self._engine) as connection:
                is_first = ready_space(connection) is None
            if is_first:
                renew_space(self._engine, clock.now())
            refresh_profiles(self._engine, clock.now())

    def fit(self) -> None:
        """Fit a space for profiles when that is due; the last one serves meanwhile, also if this fails."""
        if renew_space(self._engine, clock.now()):
            log.info("a space for profiles was fitted")

    def similar(self) -> None:
        """Store which papers are similar to each, for the pages of papers."""
        store_similar_papers(self._engine, clock.now())

    def tidy(self) -> None:
        """Delete what is no longer needed: unconfirmed sign-ups, unused limits, bytes that no retry needs, traces of
        erased people, most of the pools of old issues, and rows older than the settings of retention allow.

        Also counts what no page should have to count: finished issues, the subscribers of each day, and those of each
        large domain.
        """
        purge_pending(self._engine, clock.now())
        end_old_requests(self._engine, clock.now())
        with transaction(self._engine) as connection:
            forget_full_buckets(connection, clock.now())
            forget_messages(connection)
            lift_expired(connection, clock.now())
            forget_old_failures(connection, clock.now())
        self._count()
        remove_traces(self._engine, clock.now())
        deleted = delete_old(self._engine, self.settings, clock.now())
        if any(deleted.values()):
            log.info("old rows were deleted", **deleted)

    def _count(self) -> None:
        with read_only(self._engine) as connection:
            largest = largest_domains(connection, NAMED_DOMAINS, _MIN_SUBSCRIBERS)
            days = count_days(connection)
        totals.count_finished(self._engine)
        with transaction(self._engine) as connection:
            name_destinations(connection, largest)
            store_days(connection, days, clock.now())


def _report(event: JobExecutionEvent) -> None:
    # The next tick tries again. Only a fault of the code is worth a traceback.
    if isinstance(event.exception, DATABASE_AWAY):
        outage.report(event.exception)
    else:
        problem = problem_of(event.exception)
        log.error("a scheduled job failed", job=event.job_id, problem=problem, exc_info=event.exception)

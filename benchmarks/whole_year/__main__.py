"""Lives through a year of daily issues with the real scheduler and worker, and checks every message that goes out.

`python -m benchmarks.whole_year [--subscribers N] [--days D] [--json]`: on SQLite and a virtual clock. Each hour the
scheduler's jobs run and the worker sends what is due; each day there are new papers. Some subscribers want weekdays
only, the weekly issue or a full list every day; some join, pause, unsubscribe or are erased on the way. The judge reads
the messages: each subscriber gets one issue on each day due (or the ledger names a reason to skip it), none on other
days, and no paper twice. `largest_tables` has the MB of each table with its indexes after every 30 days. `late_growth`
is the size of the database, without the archive of papers, over that of 60 days before. Exit code 1 if a promise is
broken.
"""

import argparse
import logging
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from typing import Any

import structlog
from sqlalchemy import Engine

from benchmarks.command import command, run
from benchmarks.installation import progress
from benchmarks.whole_year.judge import Judge, Mailbox
from benchmarks.whole_year.lives import CUT, DAY, FIRST, add_first, change_lives, lives
from benchmarks.whole_year.tables import Growth
from benchmarks.year import add_papers, installation, size
from digest import machine_clock, wiring
from digest.issues.selection import IssueCache
from digest.mail.compose.composer import Composer
from digest.mail.delivery.journal import Journal
from digest.mail.delivery.worker import DeliveryWorker, WorkerSettings
from digest.settings import Settings
from digest.settings.composing import languages, mail_context
from workers.scheduler import Jobs

_FLAT, _SHOWN = 1.05, 10  # late growth; broken promises


class VirtualClock:
    """The machine's clock, which only this module moves."""

    def __init__(self, start: datetime) -> None:
        self.instant = start
        machine_clock.replace(lambda: self.instant, self._seconds, self._sleep)

    def _seconds(self) -> float:
        return self.instant.timestamp()

    def _sleep(self, seconds: float) -> None:
        self.instant += timedelta(seconds=seconds)


def main() -> None:
    """Run the year and print what was counted."""
    parser = command("whole_year", __doc__)
    parser.add_argument("--subscribers", type=int, default=10_000, help="subscribers (10000)")
    parser.add_argument("--days", type=int, default=365, help="issues (365)")
    run(parser.parse_args(), measure, lambda results: bool(results["keeps"]))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run the year in a folder that is deleted afterwards, and return what was counted."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    retention = {"keep_deliveries_days": 93, "keep_events_days": 93, "keep_readings_days": 93}
    retention |= {"keep_ranking_days": 93, "keep_votes_days": 31, "keep_rendered_days": 31}
    with installation(sources="feeds", cut_at=CUT, **retention) as (settings, engine):
        return _year(engine, settings, options)


def _year(engine: Engine, settings: Settings, options: argparse.Namespace) -> dict[str, Any]:
    began = time.process_time()
    virtual = VirtualClock(datetime.combine(FIRST, time_of_day(), tzinfo=UTC))
    people = list(lives(options.subscribers, options.days))
    add_first(engine, [life for life in people if life.joins < FIRST])
    mailbox, judge = Mailbox(), Judge(engine, people)
    jobs = Jobs(settings, engine, hint=lambda _: None)
    composer_issues = IssueCache(engine, languages())
    journal = Journal(settings.data_dir / "journal", "whole-year")
    composer = Composer(engine, mail_context(settings), journal.making, composer_issues)
    worker_settings = WorkerSettings("whole-year", hold=False, now=lambda: virtual.instant)
    sizes: list[int] = []
    growth = Growth(engine)
    sender: Any = mailbox
    throttle = wiring.throttle(settings, engine)
    with closing(DeliveryWorker(engine, sender, composer, throttle, journal, worker_settings)) as worker:
        for number in range(options.days):
            day = FIRST + DAY * number
            add_papers(engine, day)
            change_lives(engine, people, day, virtual.instant)
            for hour in range(24):
                virtual.instant = datetime.combine(day, time_of_day(hour, 1), tzinfo=UTC)
                _work(jobs, worker, hour)
            judge.read(mailbox.log)
            if number > 1:
                judge.end(day - 2 * DAY)
            sizes.append(size(engine))
            growth.end_day(number)
            progress(f"{day}: {judge.messages.total()} messages, {sizes[-1] / 1e6:.0f} MB, {len(judge.broken)} broken")
    for promise in judge.broken[:_SHOWN]:
        progress(promise)
    return {
        "subscribers": options.subscribers,
        "issues": options.days,
        "messages": dict(judge.messages),
        "skipped": dict(judge.skipped),
        "broken": len(judge.broken),
        "papers_twice": judge.repeated,
        "largest_mb": round(max(sizes) / 1e6, 1),
        **growth.results(),
        "cpu_seconds": round(time.process_time() - began),
        "keeps": not judge.broken and (growth.late or 1) <= _FLAT,
    }


def _work(jobs: Jobs, worker: DeliveryWorker, hour: int) -> None:
    """An hour of the scheduler and the worker."""
    jobs.cut()
    jobs.sweep()
    while worker.deliver_due(100_000, 3600).handled:
        pass
    jobs.finish()
    if hour % 6 == 0:
        jobs.tidy()


if __name__ == "__main__":
    main()

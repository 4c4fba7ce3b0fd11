"""`digest once`: today's papers to one address, from one folder and without a server.

It runs an installation's pipeline for one subscriber: it collects papers, cuts the issue, and sends what the ledger has
queued. The folder holds database, secret and journal, so its guarantees hold: no paper twice, the same bytes again.
"""

import socket
import time
from collections.abc import Callable, Sequence
from contextlib import closing as closed_at_end
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from email.utils import formataddr
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import Connection, Engine, Row, select

from digest import clock, wiring
from digest.database.engine import closing, read_only, transaction
from digest.database.migrate import migrate
from digest.database.tables import deliveries
from digest.issues.audit import explained
from digest.issues.explain import stored_selection
from digest.issues.first_issue import confirm
from digest.issues.issue import Issue, Plan
from digest.issues.profiles import refresh_profiles
from digest.issues.publish import DAILY, NothingToCut, publish
from digest.issues.store import issue_on
from digest.issues.summaries import summarise
from digest.ledger import totals, transitions
from digest.ledger.kinds import Kind, State, SuppressionReason
from digest.ledger.messages import forget_messages
from digest.mail.preview import preview_message
from digest.papers.collecting import SourceHealth, SourceRun, collect_recent
from digest.papers.paper import Paper
from digest.run.file_sender import FileSender, write_message
from digest.run.once_library import OnceLibrary, learn_library
from digest.run.parts import CannotStart, alone_in
from digest.settings import Settings
from digest.subscribers import store
from digest.subscribers.subscriber import Consent, Preferences, Subscriber, recipient_key
from digest.subscribers.subscriptions import change_preferences
from digest.subscribers.suppressions import lift

FORM = "digest once"  # the form that the address was entered in
_SOURCES_SECONDS = 60.0  # for all sources together
_A_CLAIM = 20  # messages: today's, and perhaps a few of days that failed
_TEMPORARY = range(400, 500)  # SMTP replies after which the same message may be accepted later

Say = Callable[[str], None]


class OnceFailed(Exception):
    """There is no email; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class OnceJob:
    """A run of the command. `settings`: from personal_settings()."""

    settings: Settings
    to: str  # normalised
    preferences: Preferences
    output: Path | None = None  # in place of sending
    patience: timedelta = timedelta()  # for a message that the mail server defers
    say: Say = lambda _line: None
    library: OnceLibrary | None = None


@dataclass(frozen=True, slots=True)
class OnceResult:
    """The result of a run. `state`: of the delivery in the ledger."""

    date: date
    to: str
    state: State
    is_new: bool  # False: an earlier run sent it
    why: str  # the reason if it was not accepted, or ""
    papers: tuple[Paper, ...]
    sources: tuple[SourceRun, ...] = field(default=())  # read in this run


def personal_settings(settings: Settings, folder: Path, to: str, smtp: str, categories: Sequence[str]) -> Settings:
    """Return the settings with everything in `folder`, no limits on sending, and no server except `smtp`
    (a URL; "": that of the settings).

    `categories`: of the profile; the arXiv source reads them too.
    """
    smtp = smtp or settings.smtp_url.get_secret_value()
    overrides: dict[str, object] = {
        "data_dir": folder,
        "database_url": f"sqlite:///{folder / 'digest.sqlite'}",
        "redis_url": "",
        "secret_key": "",
        "smtp_url": smtp,
        "smtp_rate": 0,
        "smtp_domain_rates": {},
        "smtp_connections": 1,
        "smtp_ehlo_name": settings.smtp_ehlo_name or ("" if "." in socket.gethostname() else "[127.0.0.1]"),
        "warm_up_from": None,
        "inbox_dir": None,
        "mail_from": _sender(settings, smtp, to),
        "sources": tuple(name for name in settings.sources if name != "readers"),
        "arxiv_categories": tuple(dict.fromkeys((*settings.arxiv_categories, *categories))),
    }
    return Settings(**overrides)  # type: ignore[arg-type]


def _sender(settings: Settings, smtp: str, to: str) -> str:
    """Return the sender of the settings, or else the account at the mail server, or else the recipient."""
    if not settings.mail_from.endswith("@localhost>"):
        return settings.mail_from
    account = unquote(urlsplit(smtp.split()[0]).username or "") if smtp else ""
    return formataddr((settings.title, account if "@" in account else to))


def once(job: OnceJob) -> OnceResult:
    """Send today's email, unless an earlier run has sent it. Raises OnceFailed, BadLibrary or CannotStart."""
    own = job.settings
    with alone_in(own.data_dir):
        own.create_secret()
        migrate(own.database)
        with closing(wiring.engine(own)) as engine:
            return _Run(job, engine).run()


class _Run:
    """One run on an open folder."""

    def __init__(self, job: OnceJob, engine: Engine) -> None:
        self._job = job
        self._own = job.settings
        self._engine = engine
        self._key = recipient_key(job.to, self._own.secret_keys[-1])
        began = clock.now().astimezone(UTC)
        self._day, self._hour = began.date(), began.hour

    def run(self) -> OnceResult:
        self._check_owner()
        self._put_in_order()
        was_done = self._is_done()
        self._follow_profile()
        runs = self._cut()
        self._subscribe()
        refresh_profiles(self._engine, clock.now())
        if not was_done:
            self._deliver()
        elif self._job.output is not None:
            self._write_again(self._job.output)
        self._tidy()
        return self._result(is_new=not was_done, runs=runs)

    def _check_owner(self) -> None:
        """Raise CannotStart for a folder with other subscribers: this command would send email to them as well."""
        with read_only(self._engine) as connection:
            others = [row for row in store.newest(connection, limit=2) if row.key != self._key]
        if others:
            raise CannotStart(
                f"{self._own.data_dir} belongs to another address: use a folder for each, with --data-dir"
            )

    def _put_in_order(self) -> None:
        """Tidy up like the sweep. An address that was refused is tried again, because its owner asks for it."""
        now, own = clock.now(), self._own
        wiring.recover(own, self._engine)
        with transaction(self._engine) as connection:
            transitions.expire(connection, now, timedelta(hours=own.overdue_hours), own.max_attempts)
            transitions.retry(connection, now)
            lift(connection, self._key, SuppressionReason.REFUSED)

    # --- the steps ---

    def _follow_profile(self) -> None:
        subscriber = self._subscriber()
        wanted = self._wanted()
        if subscriber and subscriber.preferences != wanted:
            change_preferences(self._engine, subscriber.id, wanted, clock.now())

    def _wanted(self) -> Preferences:
        """Return the preferences with the hour of this run, so that the issue is due now."""
        return replace(self._job.preferences, zone="UTC", hour=self._hour)

    def _cut(self) -> tuple[SourceRun, ...]:
        """Read the sources and cut today's issue, unless it was cut before. Raises OnceFailed."""
        with read_only(self._engine) as connection:
            if issue_on(connection, DAILY, self._day) is not None:
                return ()
        own, now = self._own, clock.now()
        self._job.say(f"Reading {', '.join(own.sources)} …")
        sources = wiring.sources(own, self._engine)
        runs = collect_recent(self._engine, sources, now, own.pool_days, patience=_SOURCES_SECONDS)
        if all(run.outcome is SourceHealth.FAILING for run in runs):
            problems = {run.source: run.message for run in runs}
            raise OnceFailed(
                "No source could be read, so there is no email, and nothing was changed. Run it again later. "
                + " ".join(f"{source}: {problem}." for source, problem in problems.items())
            )
        self._learn()
        try:
            summarise(self._engine, self._plan(), wiring.summaries(own), self._day, clock.now)
            publish(self._engine, self._plan(), self._day, clock.now())
        except NothingToCut as reason:
            raise OnceFailed(f"There are no papers yet, so there is no email. Run it again later. {reason}") from None
        return runs

    def _learn(self) -> None:
        """Look the library up before the cut, which notes the space of its lists."""
        if self._job.library is not None:
            learn_library(self._engine, self._own, self._registered().id, self._job.library, self._job.say)

    def _plan(self) -> Plan:
        """Return a plan whose deliveries are due at once, and whose messages link to no pages."""
        plan = wiring.plan(self._own)
        return replace(plan, cut=time_of_day(self._hour), settings=replace(plan.settings, public_url=""))

    def _subscribe(self) -> None:
        """Subscribe the address to its own folder, which queues the newest issue. Raises OnceFailed."""
        if confirm(self._engine, self._registered().id, FORM, clock.now()) is None:
            raise OnceFailed(f"{self._job.to} was unsubscribed in {self._own.data_dir}: use another --data-dir")

    def _registered(self) -> Subscriber:
        """Return the subscriber of this folder, who is added in a first run."""
        subscriber = self._subscriber()
        if subscriber is None:
            consent = Consent(clock.now(), requested_from="", form=FORM)
            with transaction(self._engine) as connection:
                store.add_pending(connection, self._job.to, self._key, self._wanted(), consent)
            subscriber = self._subscriber()
        if subscriber is None:
            raise OnceFailed(f"{self._job.to} was unsubscribed in {self._own.data_dir}: use another --data-dir")
        return subscriber

    def _deliver(self) -> None:
        """Send what is due with a delivery worker, and try again while the mail server only defers it."""
        until = clock.now() + self._job.patience
        sender = FileSender(self._job.output) if self._job.output else None
        with closed_at_end(wiring.delivery_worker(self._own, self._engine, sender)) as worker:
            worker.deliver_due(_A_CLAIM)
            while (again := self._next_attempt()) and again <= until:
                self._job.say(f"The mail server is busy; next attempt at {again:%H:%M:%S} UTC.")
                time.sleep(max(0.0, (again - clock.now()).total_seconds()) + 1)
                worker.deliver_due(_A_CLAIM)

    def _next_attempt(self) -> datetime | None:
        """Return when to try again; None if the delivery is final, or trying again soon would not help."""
        with read_only(self._engine) as connection:
            row = self._row(connection)
        if row is None or row.state not in (State.QUEUED, State.UNCERTAIN):
            return None
        is_temporary = row.reply_code is None or row.reply_code in _TEMPORARY
        return row.next_attempt_at if is_temporary else None

    def _write_again(self, file: Path) -> None:
        """Write the email of an earlier run to a file again, without a new delivery."""
        issue, subscriber = self._issue(), self._subscriber()
        context = wiring.mail_context(self._own)
        if message := issue and preview_message(self._engine, context, issue, subscriber, clock.now()):
            write_message(message, file)

    def _tidy(self) -> None:
        with transaction(self._engine) as connection:
            forget_messages(connection)
        totals.count_finished(self._engine)

    # --- stored data ---

    def _subscriber(self) -> Subscriber | None:
        with read_only(self._engine) as connection:
            return store.by_key(connection, self._key)

    def _issue(self) -> Issue | None:
        with read_only(self._engine) as connection:
            return issue_on(connection, DAILY, self._day, whole=True)

    def _row(self, connection: Connection) -> Row[Any] | None:
        named = (deliveries.c.kind == Kind.DIGEST, deliveries.c.occasion == self._day.isoformat())
        return connection.execute(select(deliveries).where(*named, deliveries.c.recipient == self._key)).one_or_none()

    def _is_done(self) -> bool:
        with read_only(self._engine) as connection:
            row = self._row(connection)
        return row is not None and row.state in (State.ACCEPTED, State.SKIPPED, State.REFUSED, State.EXPIRED)

    def _result(self, is_new: bool, runs: tuple[SourceRun, ...]) -> OnceResult:
        issue = self._issue()
        with read_only(self._engine) as connection:
            row = self._row(connection)
            selection = stored_selection(connection, row) if row else None
            why = [each.why for each in explained(connection, row.issue_id) if each.id == row.id] if row else []
        if row is None or issue is None:
            raise OnceFailed("Today's issue was cut before this address was added. Run it again tomorrow.")
        by_id = {ranked.paper.id: ranked.paper for ranked in issue.pool}
        picks = selection.picks if selection else ()
        papers = tuple(by_id[pick.paper_id] for pick in picks if pick.paper_id in by_id)
        return OnceResult(self._day, self._job.to, State(row.state), is_new, " ".join(why), papers, runs)

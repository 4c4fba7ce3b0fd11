"""Turns settings into the plain values and open resources that the rooms take. Only the edges use it."""

import os
import secrets
import socket
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from digest import clock, hints
from digest.database.engine import DATABASE_AWAY, NO_DATABASE, connect, keep_log, problem_of, read_only
from digest.database.migrate import why_not_current
from digest.database.patience import roll_back_when_silent
from digest.issues.selection import IssueCache
from digest.issues.summaries import SummaryPlan
from digest.ledger.transitions import Recovered
from digest.ledger.worker_lock import direct_address
from digest.mail.compose.composer import Composer
from digest.mail.delivery.journal import Journal
from digest.mail.delivery.outcome import is_about_sender
from digest.mail.delivery.recovery import recover as recover_now
from digest.mail.delivery.worker import DeliveryWorker, WorkerSettings
from digest.mail.throttle import Rates, Throttle
from digest.papers.collecting import remembered_by
from digest.papers.sources.registry import SourceAddresses, Tools, arxiv_api, make_sources
from digest.papers.sources.source import Source
from digest.papers.summaries.client import LanguageModel
from digest.settings import Settings
from digest.settings.composing import languages, replay_log
from digest.settings.composing import mail_context as mail_context
from digest.settings.composing import plan as plan
from digest.settings.composing import signers as signers
from digest.smtp import Sender, Timeouts
from digest.subscribers.library.arxiv import ArxivPapers
from digest.subscribers.library.crossref import SPACING_SECONDS as CROSSREF_SECONDS
from digest.subscribers.library.crossref import Crossref
from digest.subscribers.library.lookup import Libraries
from digest.subscribers.library.zotero import SPACING_SECONDS as ZOTERO_SECONDS

_PAGE_PATIENCE = 2.0  # seconds for a lock; a page that needs the database takes milliseconds


def engine(settings: Settings) -> Engine:
    return keep_log(connect(settings.database), replay_log(settings))


def impatient_engine(settings: Settings) -> Engine:
    """The engine of the pages: who waits for a page wants an answer now, even if it is "try again"."""
    return keep_log(connect(settings.database, patience=_PAGE_PATIENCE), replay_log(settings))


def lasting_engine(settings: Settings) -> Engine:
    """The engine of workers and schedulers: one that is suspended keeps the others waiting for a minute at most."""
    database = engine(settings)
    if database.dialect.name == "postgresql":
        roll_back_when_silent(database)
    return database


def session_engine(settings: Settings) -> Engine:
    """The engine of a program that needs all tables and locks of its session. Raises ValueError without them."""
    database = lasting_engine(settings)
    try:
        with read_only(database) as connection:
            remedy = why_not_current(connection)
        address = direct_address(database)
    except DATABASE_AWAY as problem:
        if problem_of(problem).startswith(NO_DATABASE):
            raise
        return database  # an outage at the start is waited for like any other
    if remedy:
        raise ValueError(f"The database is not ready. {remedy}")
    if address:
        raise ValueError(
            "DIGEST_DATABASE_URL leads to a pooler in transaction mode, such as PgBouncer, where the locks of the "
            f"worker and the scheduler do not last. Set it for them to the address of PostgreSQL itself: {address}"
        )
    return database


def throttle(settings: Settings, database: Engine) -> Throttle:
    """The throttle of this process."""
    return Throttle(database, Rates(settings.redis_url.get_secret_value()), settings.limits)


def delivery_worker(settings: Settings, database: Engine, sender: Sender | None = None) -> DeliveryWorker:
    """A delivery worker with a unique name, which sends through the relays if no other `sender` is given.

    Raises ValueError if no relay is set, OSError if its journal cannot be written.
    """
    name = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
    relays, connections, messages = settings.relays, settings.smtp_connections, settings.smtp_messages_per_connection
    if not relays and sender is None:
        raise ValueError("no mail server is set")
    journal = Journal(journal_folder(settings), name)
    issues = IssueCache(database, languages())
    return DeliveryWorker(
        database,
        sender or Sender(relays, connections, messages, observer=journal, is_about_sender=is_about_sender),
        Composer(database, mail_context(settings), journal.making, issues),
        throttle(settings, database),
        journal,
        WorkerSettings(name, settings.in_doubt == "hold", clock.now),
    )


def journal_folder(settings: Settings) -> Path:
    """The folder of this machine's worker journals."""
    return settings.data_dir.absolute() / "journal"


def recover(settings: Settings, database: Engine) -> Recovered:
    """Recover the deliveries of workers that died."""
    return recover_now(database, journal_folder(settings), settings.in_doubt == "hold", clock.now())


def sender(settings: Settings) -> Sender:
    """A connection for one message outside the ledger, whose sender waits for the reply of each server in turn.

    Raises ValueError when no mail server is set.
    """
    relays, connect = settings.relays, Timeouts().connect
    timeouts = Timeouts(connect, command=60, final_reply=300, message=360, begin=(connect + 1) * len(relays))
    return Sender(relays, connections=1, timeouts=timeouts)


def hint(settings: Settings) -> partial[bool]:
    """The function that tells workers to check the ledger."""
    return partial(hints.hint, settings.redis_url.get_secret_value())


def hint_sender(settings: Settings) -> hints.HintSender:
    """The same without waiting for Redis, for pages."""
    return hints.HintSender(settings.redis_url.get_secret_value())


def sources(settings: Settings, database: Engine) -> list[Source]:
    """The configured paper sources."""
    return make_sources(settings.sources, _addresses(settings), remembered_by(database), database)


def libraries(settings: Settings) -> Libraries:
    """The services for looking up libraries, with the same pauses between requests as for the sources."""
    tools = Tools(settings.contact, settings.source_timeout_seconds, lambda _url: None)
    zotero = tools.fetcher(settings.zotero_url, ZOTERO_SECONDS, "application/json")
    crossref = tools.fetcher(settings.crossref_url, CROSSREF_SECONDS, "application/json")
    return Libraries(
        ArxivPapers(settings.arxiv_url, arxiv_api(_addresses(settings))),
        Crossref(settings.crossref_url, crossref, settings.contact),
        settings.zotero_url,
        zotero,
    )


def language_model(settings: Settings) -> LanguageModel | None:
    """The model that writes summaries, if the operator set one."""
    key = settings.llm_key.get_secret_value()
    return LanguageModel(settings.llm_url, settings.llm_model, key, settings.llm_seconds) if settings.llm_url else None


def summaries(settings: Settings) -> SummaryPlan | None:
    """The summaries that issues get, if any."""
    model = language_model(settings)
    return SummaryPlan(model, settings.llm_monthly_requests, settings.llm_seconds) if model else None


def _addresses(settings: Settings) -> SourceAddresses:
    return SourceAddresses(
        settings.huggingface_url,
        settings.arxiv_url,
        settings.arxiv_feed_url,
        settings.arxiv_categories,
        settings.contact,
        settings.source_timeout_seconds,
        settings.hackernews_url,
        settings.feeds,
    )

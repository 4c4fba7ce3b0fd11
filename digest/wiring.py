"""Turns settings into the plain values and open resources that the rooms take. Only the edges use it."""

import os
import secrets
import socket
from collections.abc import Callable
from datetime import datetime
from email.utils import parseaddr
from functools import cache, partial
from pathlib import Path

from sqlalchemy import Engine

from digest import clock, hints
from digest.database.engine import DATABASE_AWAY, NO_DATABASE, connect, problem_of, read_only
from digest.database.migrate import why_not_current
from digest.issues.issue import Issue
from digest.issues.publish import Plan
from digest.issues.selection import IssueCache
from digest.language import Languages
from digest.ledger.transitions import Recovered
from digest.ledger.worker_lock import direct_address
from digest.mail.compose.composer import Composer, MailContext, issue_settings
from digest.mail.compose.dkim import Signer, load_signer
from digest.mail.compose.render import Renderer
from digest.mail.delivery.journal import Journal
from digest.mail.delivery.outcome import is_about_sender
from digest.mail.delivery.recovery import recover as recover_now
from digest.mail.delivery.worker import DeliveryWorker, WorkerSettings
from digest.mail.message import Branding, Senders
from digest.mail.preview import preview_message
from digest.mail.throttle import Rates, Throttle
from digest.papers.collecting import remembered_by
from digest.papers.ranking import FLOOR, RankingWeights
from digest.papers.sources.registry import SourceAddresses, make_sources
from digest.papers.sources.source import Source
from digest.resources import resource
from digest.settings import Settings, SettingsError
from digest.smtp import Sender, Timeouts

_PAGE_PATIENCE = 2.0  # seconds for a lock; a page that needs the database takes milliseconds


def engine(settings: Settings) -> Engine:
    return connect(settings.database)


def impatient_engine(settings: Settings) -> Engine:
    """The engine of the pages: who waits for a page wants an answer now, even if it is "try again"."""
    return connect(settings.database, patience=_PAGE_PATIENCE)


def session_engine(settings: Settings) -> Engine:
    """The engine of a program that needs all tables and locks of its session. Raises ValueError without them."""
    database = engine(settings)
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


def branding(settings: Settings) -> Branding:
    return Branding(settings.title, settings.public_url, settings.postal_address, settings.contact)


def senders(settings: Settings) -> Senders:
    return Senders(
        bulk=settings.mail_from,
        transactional=settings.transactional_from or settings.mail_from,
        reply_to=settings.reply_to,
        reverse_path=parseaddr(settings.bounce_address or settings.mail_from)[1],
    )


def mail_context(settings: Settings) -> MailContext:
    return MailContext(
        Renderer(resource("templates"), languages()),
        branding(settings),
        senders(settings),
        settings.secret_keys,
        signers(settings),
        settings.language,
    )


def preview(settings: Settings, database: Engine) -> Callable[[Issue, datetime, str], bytes | None]:
    """A function that composes the message of an issue, given with its whole pool, in a language, for nobody.

    It is not signed: the web process need not be able to read the keys of DKIM.
    """
    context = cache(lambda: mail_context(settings.model_copy(update={"dkim_keys": {}})))
    return lambda issue, now, language: preview_message(database, context(), issue, None, now, language)


def languages() -> Languages:
    """The languages of messages and pages."""
    return Languages(resource("locale"))


def signers(settings: Settings) -> tuple[Signer, ...]:
    """The DKIM keys. Raises SettingsError, on one line, for a file that cannot be read or holds no usable key."""
    return tuple(_signer(selector, file) for selector, file in settings.dkim_keys.items())


def _signer(selector: str, file: Path) -> Signer:
    try:
        return load_signer(selector, file.read_bytes())
    except OSError as error:
        raise SettingsError(f"DIGEST_DKIM_KEYS: {file} cannot be read: {error.strerror}") from None
    except ValueError as problem:
        raise SettingsError(f"DIGEST_DKIM_KEYS: {selector}={file}: {problem}") from None


def plan(settings: Settings) -> Plan:
    """The operator's choices for every issue."""
    return Plan(
        cut=settings.cut_at,
        pool_days=settings.pool_days,
        papers=settings.issue_papers,
        weights=RankingWeights(),
        settings=issue_settings(
            branding(settings), senders(settings), settings.secret_keys, signers(settings), settings.language
        ),
        languages=languages(),
        sources=settings.sources,
        floor=None if settings.full_lists else FLOOR,
        warm_up=settings.warm_up_from is not None,
    )


def throttle(settings: Settings, database: Engine) -> Throttle:
    """The throttle of this process."""
    return Throttle(database, Rates(settings.redis_url.get_secret_value()), settings.limits)


def delivery_worker(settings: Settings, database: Engine) -> DeliveryWorker:
    """A delivery worker with a unique name. Raises ValueError if no relay is set, OSError if its journal cannot be
    written.
    """
    name = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
    relays, connections, messages = settings.relays, settings.smtp_connections, settings.smtp_messages_per_connection
    if not relays:
        raise ValueError("no mail server is set")
    journal = Journal(journal_folder(settings), name)
    issues = IssueCache(database, languages())
    return DeliveryWorker(
        database,
        Sender(relays, connections, messages, observer=journal, is_about_sender=is_about_sender),
        Composer(database, mail_context(settings), journal, issues),
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
    addresses = SourceAddresses(
        settings.huggingface_url,
        settings.arxiv_url,
        settings.arxiv_feed_url,
        settings.arxiv_categories,
        settings.contact,
        settings.source_timeout_seconds,
        settings.hackernews_url,
        settings.feeds,
    )
    return make_sources(settings.sources, addresses, remembered_by(database), database)

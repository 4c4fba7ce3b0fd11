"""Settings → the plain values and open resources that the rooms take. Used by the edges: cli, web, workers, demo."""

import os
import secrets
import socket
from email.utils import parseaddr
from functools import partial
from pathlib import Path

from sqlalchemy import Engine

from digest import clock, hints
from digest.database.engine import connect
from digest.issues.publish import Plan
from digest.issues.selection import IssueCache
from digest.language import Languages
from digest.ledger.transitions import Recovered
from digest.mail.compose.composer import Composer
from digest.mail.compose.context import MailContext, issue_settings
from digest.mail.compose.dkim import Signer, load_signer
from digest.mail.compose.render import Renderer
from digest.mail.delivery.journal import Journal
from digest.mail.delivery.outcome import is_about_sender
from digest.mail.delivery.recovery import recover as recover_now
from digest.mail.delivery.worker import DeliveryWorker, WorkerSettings
from digest.mail.message import Branding, Senders
from digest.mail.throttle import Limits, Rates, Throttle
from digest.papers.collecting import remembered_by
from digest.papers.community import Community
from digest.papers.ranking import RankingWeights
from digest.papers.sources.registry import SourceAddresses, make_sources
from digest.papers.sources.source import Source
from digest.resources import resource
from digest.settings import Settings
from digest.smtp import Sender


def engine(settings: Settings) -> Engine:
    """The database."""
    return connect(settings.database)


def look(settings: Settings) -> Branding:
    """What shows of the operator in mails."""
    return Branding(settings.title, settings.public_url, settings.postal_address, settings.contact)


def senders(settings: Settings) -> Senders:
    """Who mails come from."""
    return Senders(
        bulk=settings.mail_from,
        transactional=settings.transactional_from or settings.mail_from,
        reply_to=settings.reply_to,
        reverse_path=parseaddr(settings.bounce_address or settings.mail_from)[1],
    )


def desk(settings: Settings) -> MailContext:
    """What writing a mail needs."""
    return MailContext(
        Renderer(resource("templates"), languages()),
        look(settings),
        senders(settings),
        settings.secret_keys,
        signers(settings),
        settings.language,
    )


def languages() -> Languages:
    """The languages that mails and pages can be in."""
    return Languages(resource("locale"))


def signers(settings: Settings) -> tuple[Signer, ...]:
    """The DKIM keys. Raises ValueError, in one line, for a file that cannot be read or holds no fitting key."""
    return tuple(_signer(selector, file) for selector, file in settings.dkim_keys.items())


def _signer(selector: str, file: Path) -> Signer:
    try:
        return load_signer(selector, file.read_bytes())
    except OSError as error:
        raise ValueError(f"DIGEST_DKIM_KEYS: {file} cannot be read: {error.strerror}") from None
    except ValueError as problem:
        raise ValueError(f"DIGEST_DKIM_KEYS: {selector}={file}: {problem}") from None


def plan(settings: Settings) -> Plan:
    """What the operator decided about issues."""
    return Plan(
        cut=settings.cut_at,
        pool_days=settings.pool_days,
        papers=settings.issue_papers,
        weights=RankingWeights(),
        settings=issue_settings(
            look(settings), senders(settings), settings.secret_keys, signers(settings), settings.language
        ),
        languages=languages(),
    )


def limits(settings: Settings) -> Limits:
    """How fast the operator allows to send."""
    return Limits(settings.smtp_rate, settings.smtp_domain_rates, settings.warm_up_from, settings.warm_up_first_day)


def flow(settings: Settings, database: Engine) -> Throttle:
    """Whether mail may be sent now, and how fast; one for each process."""
    return Throttle(database, Rates(settings.redis_url.get_secret_value()), limits(settings))


def postman(settings: Settings, database: Engine) -> DeliveryWorker:
    """One worker process at work, under a name that no other process ever has. Raises ValueError without a mail server,
    OSError when its journal cannot be written.
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
        Composer(database, desk(settings), journal, issues),
        flow(settings, database),
        journal,
        WorkerSettings(name, settings.in_doubt == "hold", clock.now),
    )


def journal_folder(settings: Settings) -> Path:
    """Where this machine's workers keep their journals."""
    return settings.data_dir.absolute() / "journal"


def recover(settings: Settings, database: Engine) -> Recovered:
    """Put in order what dead workers held."""
    return recover_now(database, journal_folder(settings), settings.in_doubt == "hold", clock.now())


def sender(settings: Settings) -> Sender:
    """Connections to the mail server, for a mail that the ledger does not know. Raises ValueError when none is set."""
    return Sender(settings.relays, settings.smtp_connections, settings.smtp_messages_per_connection)


def hint(settings: Settings) -> partial[bool]:
    """The port by which the workers are told to look at the ledger."""
    return partial(hints.hint, settings.redis_url.get_secret_value())


def sources(settings: Settings, database: Engine) -> list[Source]:
    """The paper sources that the operator chose."""
    places = SourceAddresses(
        settings.huggingface_url,
        settings.arxiv_url,
        settings.arxiv_feed_url,
        settings.arxiv_categories,
        settings.contact,
        settings.source_timeout_seconds,
        settings.hackernews_url,
        settings.feeds,
    )
    return make_sources(settings.sources, places, remembered_by(database), Community(database))

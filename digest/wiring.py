"""Settings → the plain values and open resources that the rooms take. Used by the edges: cli, web, workers, demo."""

import os
import secrets
import socket
from email.utils import parseaddr
from functools import partial

from sqlalchemy import Engine

from digest import clock, hints
from digest.issues.publish import Plan
from digest.mail.deliver import Postman
from digest.mail.letters import Desk, Senders, issue_settings
from digest.mail.render import Look, Renderer
from digest.mail.smtp import Sender
from digest.papers.collect import Source, remembered_by
from digest.papers.ranking import Weights
from digest.papers.sources.registry import Places, make_sources
from digest.resources import resource
from digest.settings import Settings
from digest.store.database import connect


def engine(settings: Settings) -> Engine:
    """The database."""
    return connect(settings.database)


def look(settings: Settings) -> Look:
    """What shows of the operator in mails."""
    return Look(settings.title, settings.public_url, settings.postal_address, settings.contact)


def senders(settings: Settings) -> Senders:
    """Who mails come from."""
    return Senders(
        bulk=settings.mail_from,
        transactional=settings.transactional_from or settings.mail_from,
        reply_to=settings.reply_to,
        reverse_path=parseaddr(settings.bounce_address or settings.mail_from)[1],
    )


def desk(settings: Settings) -> Desk:
    """What writing a mail needs."""
    renderer = Renderer(resource("templates"))
    return Desk(renderer, look(settings), senders(settings), settings.secret_keys)


def plan(settings: Settings) -> Plan:
    """What the operator decided about issues."""
    return Plan(
        cut=settings.cut_at,
        pool_days=settings.pool_days,
        papers=settings.issue_papers,
        weights=Weights(settings.ranking_gravity, settings.ranking_comment_weight, settings.ranking_prior),
        settings=issue_settings(look(settings), senders(settings)),
    )


def postman(settings: Settings, database: Engine, sender: Sender) -> Postman:
    """One worker process at work, under a name that no other process ever has."""
    name = f"{socket.gethostname()[:40]}:{os.getpid()}:{secrets.token_hex(4)}"
    return Postman(database, sender, desk(settings), name, clock.now)


def sender(settings: Settings) -> Sender:
    """Connections to the mail server. Raises ValueError when none is set."""
    return Sender(settings.relays, settings.smtp_connections, settings.smtp_messages_per_connection)


def hint(settings: Settings) -> partial[bool]:
    """The port by which the workers are told to look at the ledger."""
    return partial(hints.hint, settings.redis_url.get_secret_value())


def sources(settings: Settings, database: Engine) -> list[Source]:
    """The paper sources that the operator chose."""
    places = Places(
        settings.huggingface_url,
        settings.arxiv_url,
        settings.arxiv_feed_url,
        settings.arxiv_categories,
        settings.contact,
        settings.source_timeout_seconds,
    )
    return make_sources(settings.sources, places, remembered_by(database))

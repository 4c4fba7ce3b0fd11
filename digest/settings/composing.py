"""Makes from settings the plan of issues, the context for composing messages, and the replay log."""

import socket
from email.utils import parseaddr
from pathlib import Path

from digest.issues.issue import IssueSettings, Plan
from digest.language import Languages
from digest.ledger.replay_log import ReplayLog
from digest.mail.compose.context import MailContext, issue_settings
from digest.mail.compose.dkim import Signer, load_signer
from digest.mail.compose.render import Renderer
from digest.mail.message import Branding, Senders
from digest.papers.ranking import FLOOR, RankingWeights
from digest.resources import resource
from digest.settings.environment import SettingsError
from digest.settings.model import Settings


def replay_log(settings: Settings) -> ReplayLog:
    """Return the replay log of this machine."""
    return ReplayLog(settings.replay_folder, socket.gethostname(), settings.replay_days)


def branding(settings: Settings) -> Branding:
    return Branding(settings.title, settings.public_url, settings.postal_address, settings.contact)


def senders(settings: Settings) -> Senders:
    return Senders(
        bulk=settings.mail_from,
        transactional=settings.transactional_from or settings.mail_from,
        reply_to=settings.reply_to,
        reverse_path=parseaddr(settings.bounce_address or settings.mail_from)[1],
        signs_reverse_path=bool(settings.bounce_address),
        unsubscribe_address=parseaddr(settings.unsubscribe_address)[1],
    )


def mail_context(settings: Settings, signs: bool = True) -> MailContext:
    """`signs`: with the DKIM keys, which not every process can read."""
    return MailContext(
        Renderer(resource("templates"), languages()),
        branding(settings),
        senders(settings),
        settings.secret_keys,
        signers(settings) if signs else (),
        settings.language,
    )


def plan(settings: Settings, signs: bool = True) -> Plan:
    """The operator's choices for every issue. `signs`: as for mail_context()."""
    return Plan(
        cut=settings.cut_at,
        pool_days=settings.pool_days,
        papers=settings.issue_papers,
        weights=RankingWeights(),
        settings=frozen_settings(settings, signs),
        languages=languages(),
        sources=settings.sources,
        floor=None if settings.full_lists else FLOOR,
        warm_up=settings.warm_up_from is not None,
    )


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


def frozen_settings(settings: Settings, signs: bool = True) -> IssueSettings:
    """The settings to freeze with an issue or a notice."""
    keys = signers(settings) if signs else ()
    return issue_settings(branding(settings), senders(settings), settings.secret_keys, keys, settings.language)

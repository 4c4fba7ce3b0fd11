"""The installation that every run begins with: settings, keys, two versions of templates, subscribers, an issue.

Made once a process by the product's own functions; each run gets a copy of its database.
"""

import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Engine

from digest.database.engine import connect, transaction
from digest.database.migrate import migrate
from digest.issues.issue import Plan
from digest.issues.publish import publish
from digest.issues.selection import IssueCache
from digest.language import Languages
from digest.mail.compose.composer import Composer
from digest.mail.compose.context import MailContext, issue_settings
from digest.mail.compose.dkim import Signer
from digest.mail.compose.render import Renderer
from digest.mail.message import Branding, Senders
from digest.papers.collecting.runs import SourceHealth, SourceRun
from digest.papers.collecting.store import record_run
from digest.papers.paper import Paper, Votes
from digest.papers.ranking import RankingWeights
from digest.papers.store import keep_papers, keep_votes
from digest.resources import resource
from digest.settings.model import Settings
from digest.subscribers import store
from digest.subscribers.subscriber import Consent, Preferences, recipient_key

DAY = date(2026, 3, 4)  # a Wednesday
CUT_AT = datetime(2026, 3, 4, 6, 0, tzinfo=UTC)
FIRST_DUE = datetime(2026, 3, 4, 7, 0, tzinfo=UTC)
KEYS = (b"the-first-secret-of-at-least-thirty-two-bytes", b"the-second-secret-of-at-least-thirty-two-bytes")
DOMAINS = ("example.org", "example.net", "mail.example.com", "lab.example.edu")
SUBSCRIBERS = 22
_PAPERS = 8
_LANGUAGES = ("en", "en", "en", "zh-CN")


@dataclass(frozen=True, slots=True)
class Version:
    """The templates and keys, which an operator changes with an upgrade."""

    templates: int = 1
    keys: int = 1


class Installation:
    """Everything that runs share."""

    def __init__(self) -> None:
        parent = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="digest-simulate-", dir=parent))
        self.settings = self._new_settings()
        self.languages = Languages(resource("locale"))
        self._renderers = [Renderer(self._templates(version), self.languages) for version in (1, 2)]
        self._signers = [Signer(f"key{number}", _signing_key(number)) for number in (1, 2)]

    def move(self) -> None:
        """Write to a separate folder from now on, after a fork."""
        self.folder = Path(tempfile.mkdtemp(prefix="process-", dir=self.folder))
        self.settings = self._new_settings()

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _new_settings(self) -> Settings:
        return Settings(
            data_dir=self.folder,
            secret_key=KEYS[0].decode(),
            sources=("huggingface",),
            cut_at="06:00",
            mail_from="Daily Papers <papers@example.org>",
            public_url="https://papers.example.org",
            redis_url="",
        )

    def context(self, version: Version, signs: bool) -> MailContext:
        """Return the context in which a worker of this version composes."""
        signers = tuple(reversed(self._signers[: version.keys])) if signs else ()
        return MailContext(self._renderers[version.templates - 1], _BRANDING, _SENDERS, link_keys(version), signers)

    def plan(self, version: Version, signs: bool) -> Plan:
        """Return the plan of an issue."""
        context = self.context(version, signs)
        frozen = issue_settings(context.branding, context.senders, context.link_keys, context.signers)
        return Plan(CUT_AT.time(), 5, 6, RankingWeights(), frozen, self.languages, ("huggingface",))

    def contents(self, signs: bool) -> dict[str, sqlite3.Connection]:
        """The databases that a run may begin with: before the cut, after it, and with the issue rendered."""
        file = self.folder / f"content-{signs}.sqlite"
        url = f"sqlite:///{file}"
        shutil.copyfile(self._migrated, file)
        engine = connect(url)
        self._fill(engine)
        contents = {"uncut": _loaded(file)}
        publish(engine, self.plan(Version(), signs), DAY, CUT_AT)
        contents["cut"] = _loaded(file)
        cache = IssueCache(engine, self.languages)
        composer = Composer(engine, self.context(Version(), signs), lambda _: None, cache)
        for language in sorted(set(_LANGUAGES)):
            composer._issue_composer(1, language)
        contents["rendered"] = _loaded(file)
        engine.dispose()
        return contents

    @cached_property
    def _migrated(self) -> Path:
        file = self.folder / "migrated.sqlite"
        migrate(f"sqlite:///{file}")
        return file

    def _templates(self, version: int) -> Path:
        """The templates, the second time with other words in each."""
        folder = self.folder / f"templates-{version}"
        shutil.copytree(resource("templates"), folder)
        if version > 1:
            for file in sorted(folder.rglob("*")):
                if file.is_file() and file.suffix in (".txt", ".html", ".j2", ".mjml"):
                    text = file.read_text(encoding="utf-8")
                    file.write_text(
                        text.replace("</p>", " (2)</p>", 1).replace("\n\n", "\n(2)\n\n", 1), encoding="utf-8"
                    )
        return folder

    def _fill(self, engine: Engine) -> None:
        seen_at = CUT_AT - timedelta(hours=1)
        papers = [_paper(number) for number in range(1, _PAPERS + 1)]
        votes = [Votes(paper.id, "huggingface", seen_at, 90 - 10 * number) for number, paper in enumerate(papers)]
        run = SourceRun(
            "huggingface", DAY, CUT_AT - timedelta(seconds=90), SourceHealth.FRESH, _PAPERS, _PAPERS, (), ""
        )
        with transaction(engine) as connection:
            keep_papers(connection, "huggingface", seen_at, papers)
            keep_votes(connection, votes)
            record_run(connection, run)
            for number in range(1, SUBSCRIBERS + 1):
                _add_subscriber(connection, number)


def link_keys(version: Version) -> tuple[bytes, ...]:
    """The newest first."""
    return tuple(reversed(KEYS[: version.keys]))


def address(number: int) -> str:
    return f"person{number}@{DOMAINS[number % len(DOMAINS)]}"


def key_of(email: str) -> str:
    """The ledger's name of a recipient, which stays when keys are rotated: the oldest key makes it."""
    return recipient_key(email, KEYS[0])


def preferences_of(number: int) -> Preferences:
    return Preferences(language=_LANGUAGES[number % len(_LANGUAGES)], papers=4)


def _add_subscriber(connection, number: int) -> None:  # type: ignore[no-untyped-def]
    asked_at = CUT_AT - timedelta(days=4)
    consent = Consent(requested_at=asked_at, requested_from="", form="simulation")
    email = address(number)
    new = store.add_pending(connection, email, key_of(email), preferences_of(number), consent)
    assert new is not None
    store.set_confirmed(connection, new, "", asked_at + timedelta(hours=1))


def _paper(number: int) -> Paper:
    return Paper(
        id=f"2603.{number:05}",
        title=f"Paper number {number}",
        abstract=f"What paper {number} found out.",
        authors=("Ada Lovelace", "Alan Turing"),
        categories=("cs.LG",),
        listed_at=CUT_AT - timedelta(hours=6),
        url=f"https://arxiv.org/abs/2603.{number:05}",
    )


def _signing_key(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def _loaded(file: Path) -> sqlite3.Connection:
    """A copy of a database in memory."""
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, cached_statements=1_000)
    with sqlite3.connect(file) as source:
        source.backup(memory)
    memory.execute("PRAGMA foreign_keys = ON")
    return memory


_BRANDING = Branding("Daily Papers", "https://papers.example.org", postal_address="1 Lab Street, Ghent", contact="")
_SENDERS = Senders(
    bulk="Daily Papers <papers@example.org>",
    transactional="Daily Papers <hello@example.org>",
    reply_to="",
    reverse_path="bounces@example.org",
    signs_reverse_path=True,
)

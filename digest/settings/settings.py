"""Every setting of the service, read from the environment (prefix DIGEST_), *_FILE for secrets, and .env.

Only edges (cli, web, workers, doctor, up) read settings; rooms take plain values. docs/configuration.md and .env.example
are generated from this file by `make docs`.
"""

import os
from datetime import time
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from digest.clock import CLOCK_FILE
from digest.language import SOURCE, Languages
from digest.papers.sources import source_names
from digest.resources import resource
from digest.settings.delivery import DeliverySettings
from digest.settings.ranking import RankingSettings
from digest.settings.sources import PREFIX, SecretFiles, generated_secret
from digest.settings.sources import SettingsError as SettingsError
from digest.smtp import is_loopback
from digest.text import domain_of

ENV_FILE = ".env"


class Settings(DeliverySettings, RankingSettings):
    """What an operator decides. Everything has a default with which a first run works on one machine."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    data_dir: Path = Field(
        Path(".digest"),
        description="Folder for what this machine keeps: the SQLite database, the generated secret, the embedded Valkey.",
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="`postgresql://user:password@host/name`, or `sqlite:///path`. Empty: SQLite in the data folder, good for up to 10,000 readers on one machine.",
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        description="`redis://…` of Redis or Valkey, for the hints to the workers. Empty: `digest up` starts a Valkey of its own.",
    )
    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="The address under which readers reach the pages; every link in a mail starts with it. `https://` for anything but this machine.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="At least 32 random characters; signs the links in mails. To change it put the new one in front, separated by a space: the first signs, all are accepted, the last also hashes addresses in the ledger and must stay last. Empty: one is generated in the data folder.",
    )
    title: str = Field(
        "Daily Papers", min_length=1, max_length=60, description="What the digest is called, on pages and in mails."
    )
    language: str = Field(
        SOURCE,
        description="The language of readers who chose none, as a tag such as `zh-CN`; docs/languages.md has the list.",
    )
    mail_from: str = Field("Daily Papers <digest@localhost>", description="Sender of the digests, `Name <address>`.")
    transactional_from: str = Field(
        "",
        description="Sender of confirmations and other mails that somebody asked for just now, so that their reputation stays apart from the bulk. Empty: the same as `DIGEST_MAIL_FROM`.",
    )
    reply_to: str = Field("", description="Where replies of readers go. Empty: to the sender.")
    bounce_address: str = Field(
        "",
        description="The envelope sender, where delivery failures are reported. Empty: the address in `DIGEST_MAIL_FROM`.",
    )
    postal_address: str = Field(
        "",
        description="The operator's postal address, shown at the foot of each mail; the law asks for it in many countries.",
    )
    contact: str = Field(
        "",
        description="An address or page that readers can turn to, shown on the pages, and sent to the paper sources as the contact of this installation.",
    )

    sources: Annotated[tuple[str, ...], NoDecode] = Field(
        source_names.DEFAULT,
        description=f"Where papers come from, separated by commas: {', '.join(source_names.OWN)}, or the name that an installed package adds (docs/sources.md). With `readers` they can suggest papers and vote by their own links.",
    )
    huggingface_url: str = Field(
        "https://huggingface.co", description="Base address of the Hugging Face Daily Papers API."
    )
    arxiv_url: str = Field("https://export.arxiv.org", description="Base address of the arXiv export API.")
    arxiv_feed_url: str = Field("https://rss.arxiv.org", description="Base address of arXiv's announcement feeds.")
    arxiv_categories: Annotated[tuple[str, ...], NoDecode] = Field(
        ("cs.AI", "cs.CL", "cs.CV", "cs.LG"), description="arXiv categories to read, separated by commas."
    )
    hackernews_url: str = Field(
        "https://hn.algolia.com",
        description="Base address of the Hacker News search, whose points and comments are a signal for papers that are known.",
    )
    feeds: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Lists of your own for the source `feeds`, files or web addresses, separated by commas: JSON, JSON Lines, Atom or RSS as docs/sources.md describes.",
    )
    collect_minutes: int = Field(
        30,
        ge=5,
        le=60,
        description="Minutes between two readings of the sources. Today's and yesterday's votes are observed each time, those of the pool's other days each hour.",
    )
    source_timeout_seconds: float = Field(
        20.0, gt=0, le=300, description="How long one answer of a source may take in all."
    )

    cut_at: time = Field(time(6, 0), description="When the day's issue is cut, UTC, `HH:MM`.")
    pool_days: int = Field(
        7, ge=1, le=30, description="Papers first seen within so many days before the cut are ranked for an issue."
    )
    issue_papers: int = Field(
        200,
        ge=1,
        le=2000,
        description="How many of the ranked papers an issue keeps; readers' lists are chosen from these.",
    )
    sweep_seconds: int = Field(
        15,
        ge=1,
        le=300,
        description="Seconds between two looks of the scheduler at the ledger; a mail whose hint was lost waits so long at the most.",
    )
    overdue_hours: int = Field(
        18,
        ge=1,
        le=240,
        description="An issue that could not be sent this many hours after it was due is no longer sent.",
    )

    web_host: str = Field(
        "127.0.0.1", description="Address that `digest web` listens on. Put a TLS proxy in front of it."
    )
    web_port: int = Field(8000, ge=0, le=65535, description="Port that `digest web` listens on; 0 takes a free one.")
    forwarded_allow_ips: str = Field(
        "127.0.0.1", description="Proxies whose X-Forwarded-For is believed, separated by commas."
    )
    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error.")
    log_json: bool = Field(False, description="Logs as one JSON object a line.")
    inbox_dir: Path | None = Field(
        None, description="A Maildir that the page /inbox shows. Set by the demo; leave it empty."
    )

    @field_validator("sources", "arxiv_categories", "feeds", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("inbox_dir", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        return value or None

    @field_validator("sources")
    @classmethod
    def _known_sources(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in source_names.names()]
        if unknown:
            raise ValueError(f"unknown source {unknown[0]!r}; choose from {', '.join(source_names.names())}")
        return value

    @field_validator("feeds")
    @classmethod
    def _files_or_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for place in value:
            scheme, colon, _ = place.partition("://")
            if colon and (scheme not in ("http", "https") or not urlsplit(place).hostname):
                raise ValueError(f"{place!r} is neither a file nor an http:// or https:// address")
        return value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: SecretStr) -> SecretStr:
        scheme = value.get_secret_value().partition(":")[0].partition("+")[0]
        if scheme not in ("", "sqlite", "postgresql", "postgres"):
            raise ValueError("start with postgresql:// or sqlite:///")
        return value

    @field_validator("redis_url")
    @classmethod
    def _known_broker(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value().partition("://")[0] not in ("", "redis", "rediss", "redis+socket"):
            raise ValueError("start with redis:// or rediss:// (also for Valkey)")
        return value

    @field_validator("public_url", "huggingface_url", "arxiv_url", "arxiv_feed_url", "hackernews_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("give a web address such as https://papers.example.org")
        return value.rstrip("/")

    @field_validator("public_url")
    @classmethod
    def _safe_public_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError("readers' links need https:// (RFC 8058); http:// is for this machine only")
        if len(value) > 40:
            raise ValueError("at most 40 characters, so that every link in a header stays on one line")
        return value

    @field_validator("mail_from", "transactional_from", "reply_to", "bounce_address")
    @classmethod
    def _mail_address(cls, value: str) -> str:
        if value and (not parseaddr(value)[1].isascii() or "@" not in parseaddr(value)[1] or not value.isprintable()):
            raise ValueError("give an address such as Daily Papers <papers@example.org>")
        return value

    @field_validator("language")
    @classmethod
    def _known_language(cls, value: str) -> str:
        known = Languages(resource("locale")).codes
        if value not in known:
            raise ValueError(f"there are {', '.join(known)}")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_secret(cls, value: SecretStr) -> SecretStr:
        if any(len(key) < 32 for key in value.get_secret_value().split()):
            raise ValueError("use at least 32 random characters: openssl rand -hex 32")
        return value

    @model_validator(mode="after")
    def _fit_for_real_mail(self) -> Self:
        """A mail server beyond this machine needs an address that mails can truly come from."""
        if any(not is_loopback(relay.host) for relay in self.relays) and parseaddr(self.mail_from)[1].endswith(
            "@localhost"
        ):
            raise ValueError("DIGEST_MAIL_FROM is still digest@localhost, and DIGEST_SMTP_URL is a real mail server")
        return self

    @property
    def database(self) -> str:
        """The database's address, with the default filled in. Holds a password: never log it."""
        url = self.database_url.get_secret_value() or f"sqlite:///{self.data_dir.absolute() / 'digest.sqlite'}"
        return url.replace("postgres://", "postgresql://", 1)

    @property
    def secret_keys(self) -> tuple[bytes, ...]:
        """The signing keys, newest first; generated and kept in the data folder when none is set."""
        text = self.secret_key.get_secret_value() or generated_secret(self.data_dir / "secret_key")
        return tuple(key.encode() for key in text.split())

    @property
    def list_domain(self) -> str:
        """The domain of Message-ID and List-Id: the one that mails come from."""
        return domain_of(self.mail_from)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's own, replaced by ours
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretFiles(settings_cls), dotenv_settings


@cache
def settings() -> Settings:
    """The settings of this process, read once. Raises SettingsError."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_in_words(problem) for problem in error.errors())) from None


def unknown_variables() -> list[str]:
    """DIGEST_* variables in the environment and in .env that no setting has: probably misspelt."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {name + "_FILE" for name in known} | {CLOCK_FILE}
    given = {*os.environ, *dotenv_values(ENV_FILE)}
    return sorted(name for name in given if name.startswith(PREFIX) and name not in known)


def _in_words(problem: Any) -> str:
    where = "_".join(str(part) for part in problem["loc"][:1]).upper()
    said = problem["msg"].removeprefix("Value error, ")
    return f"{PREFIX}{where}: {said}" if where else said

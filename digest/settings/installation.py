"""The settings of the installation itself: its address, its storage, its pages and logs."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from digest.language import SOURCE, Languages
from digest.resources import resource
from digest.settings.secrets import generated_secret
from digest.smtp import is_loopback

EMPTY_IS_NONE = BeforeValidator(lambda value: value or None)


class AddressSettings(BaseSettings):
    """Address and name"""

    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="The address of the pages as subscribers see it; every link in an email starts with it. Must be `https://` except on this machine.",
    )
    title: str = Field(
        "Daily Papers", min_length=1, max_length=60, description="Name of the digest, on pages and in emails."
    )
    contact: str = Field(
        "",
        description="Email address or web page for questions. Shown on the pages, and sent to the paper sources to identify this installation.",
    )
    postal_address: str = Field(
        "", description="Your postal address, shown at the bottom of every email. Many countries require it by law."
    )
    language: str = Field(
        SOURCE,
        description="Language of subscribers who chose none, as a tag such as `zh-CN`. docs/languages.md lists them.",
    )

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, value: str) -> str:
        value = web_address(value)
        if not value.startswith("https:") and not is_loopback(urlsplit(value).hostname or ""):
            raise ValueError("links in emails need https:// (RFC 8058); http:// works on this machine only")
        if len(value) > 40:
            raise ValueError("use at most 40 characters, so that every link in a header fits on one line")
        return value

    @field_validator("language")
    @classmethod
    def _language(cls, value: str) -> str:
        codes = Languages(resource("locale")).codes
        if value not in codes:
            raise ValueError(f"unknown language {value!r} (available: {', '.join(codes)})")
        return value


class StorageSettings(BaseSettings):
    """Database, Redis and secrets"""

    data_dir: Path = Field(
        Path(".digest"),
        description="Folder for what this machine stores: the SQLite database, the generated secret, the embedded Valkey, the workers' journals.",
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="`postgresql://user:password@host/name` or `sqlite:///path`. Empty: SQLite in the data folder, suitable for up to 10,000 subscribers on one machine.",
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        description="`redis://…` of a Redis or Valkey server, which carries hints to the workers. Empty: `digest up` starts its own Valkey.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="At least 32 random characters; signs the links in emails. To replace it, put the new one in front of the old, separated by a space: the first signs, all are accepted. The last also hashes addresses in the ledger and must stay last. Empty: one is generated in the data folder.",
    )

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: SecretStr) -> SecretStr:
        scheme = value.get_secret_value().partition(":")[0].partition("+")[0]
        if scheme not in ("", "sqlite", "postgresql", "postgres"):
            raise ValueError("start with postgresql:// or sqlite:///")
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value().partition("://")[0] not in ("", "redis", "rediss", "redis+socket"):
            raise ValueError("start with redis:// or rediss:// (also for Valkey)")
        return value

    @field_validator("secret_key")
    @classmethod
    def _secret_key(cls, value: SecretStr) -> SecretStr:
        if any(len(key) < 32 for key in value.get_secret_value().split()):
            raise ValueError("use at least 32 random characters: openssl rand -hex 32")
        return value

    @property
    def database(self) -> str:
        """The database's address, with the default filled in. Holds a password: never log it."""
        url = self.database_url.get_secret_value() or f"sqlite:///{self.data_dir.absolute() / 'digest.sqlite'}"
        return url.replace("postgres://", "postgresql://", 1)

    @property
    def secret_keys(self) -> tuple[bytes, ...]:
        """The signing keys, newest first; generated and stored in the data folder when none is set."""
        text = self.secret_key.get_secret_value() or generated_secret(self.data_dir / "secret_key")
        return tuple(key.encode() for key in text.split())


class ProcessSettings(BaseSettings):
    """Processes and logs"""

    worker_processes: int = Field(2, ge=1, le=64, description="Processes of `digest worker`.")
    web_host: str = Field("127.0.0.1", description="Address that `digest web` listens on, behind a TLS proxy.")
    web_port: int = Field(8000, ge=0, le=65535, description="Port that `digest web` listens on; 0 picks a free one.")
    forwarded_allow_ips: str = Field(
        "127.0.0.1", description="Proxies whose X-Forwarded-For header is trusted, separated by commas."
    )
    log_level: str = Field(
        "info", pattern="^(debug|info|warning|error)$", description="`debug`, `info`, `warning` or `error`."
    )
    log_json: bool = Field(False, description="Log one JSON object a line.")
    inbox_dir: Annotated[Path | None, EMPTY_IS_NONE] = Field(
        None, description="Maildir shown by the page /inbox. Set by the demo; leave it empty."
    )


def web_address(value: str) -> str:
    """`value` without a slash at its end. Raises ValueError for what is not a web address."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("use a web address such as https://papers.example.org")
    return value.rstrip("/")

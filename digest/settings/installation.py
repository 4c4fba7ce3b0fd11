"""The settings of the installation itself: its address, its storage, its pages and logs."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from digest.language import SOURCE, Languages
from digest.resources import resource
from digest.settings.environment import at_home
from digest.settings.secrets import generate_secret, stored_secret
from digest.smtp import is_loopback, split_server

EMPTY_IS_NONE = BeforeValidator(lambda value: value or None)
AtHome = Annotated[Path, AfterValidator(at_home)]


class AddressSettings(BaseSettings):
    """Address and name"""

    public_url: str = Field(
        "http://127.0.0.1:8000",
        description="The address of the pages as subscribers see it; every link in an email starts with it. Must be `https://` except on this machine, and at most 40 characters long, so that every link in a header fits on one line.",
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
            raise ValueError(
                f"use at most 40 characters, not {len(value)}, so that every link in a header fits on one line"
            )
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

    data_dir: AtHome = Field(
        Path(".digest"),
        validate_default=True,
        description="Folder for what this machine stores: the SQLite database, the generated secret, the embedded Valkey, the workers' journals.",
    )
    database_url: SecretStr = Field(
        SecretStr(""),
        description="`postgresql://user:password@host/name` or `sqlite:///path`. Empty: SQLite in the data folder, suitable for up to 10,000 subscribers on one machine.",
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        description="`redis://…`, `rediss://…` (TLS) or `unix:///path` of a Redis or Valkey server, which carries hints to the workers. Empty: `digest up` starts its own Valkey.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="At least 32 random characters; signs the links in emails. To replace it, put the new one in front of the old, separated by a space: the first signs, all are accepted. The last also hashes addresses in the ledger and must stay last. Empty: one is generated in the data folder.",
    )

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value().strip()
        scheme = url.partition(":")[0].partition("+")[0]
        if scheme not in ("", "sqlite", "postgresql", "postgres"):
            raise ValueError("start with postgresql:// or sqlite:///")
        if scheme == "sqlite":
            start, _, path = url.partition(":///")
            if not path or ":memory:" in path:
                raise ValueError("name a file that all processes share: sqlite:///path")
            return SecretStr(url if path.startswith("file:") else f"{start}:///{at_home(Path(path))}")
        if split_server(url).netloc.count("@") > 1:  # SQLAlchemy would take a part of the password for the host
            raise ValueError("in user and password write @ as %40")
        if scheme and "://" not in url:
            raise ValueError("start with postgresql:// or sqlite:///")
        return SecretStr(url)

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value().strip()
        if url and url.partition("://")[0] not in ("redis", "rediss", "unix"):
            raise ValueError("start with redis://, rediss:// or unix:///path (also for Valkey)")
        parts = split_server(url)
        checks = parse_qs(parts.query).get("ssl_cert_reqs")
        if checks not in (None, ["required"], ["optional"], ["none"]):
            raise ValueError("ssl_cert_reqs is required, optional or none")
        if parts.scheme == "unix" and not parts.path:
            raise ValueError("write the path of the socket: unix:///run/redis.sock")
        if parts.scheme == "rediss" and not checks:  # else Celery's client, unlike ours, would check no certificate
            url += f"{'&' if parts.query else '?'}ssl_cert_reqs=required"
        return SecretStr(url)

    @field_validator("secret_key")
    @classmethod
    def _secret_key(cls, value: SecretStr) -> SecretStr:
        keys = value.get_secret_value().split()
        if any(len(key) < 32 for key in keys):
            raise ValueError("use at least 32 random characters: openssl rand -hex 32")
        return SecretStr(" ".join(keys))

    @property
    def database(self) -> str:
        """The database's address, with the default filled in. Holds a password: never log it."""
        url = self.database_url.get_secret_value() or f"sqlite:///{self.data_dir.absolute() / 'digest.sqlite'}"
        return url.replace("postgres://", "postgresql://", 1)

    @property
    def secret_keys(self) -> tuple[bytes, ...]:
        """The signing keys, newest first. Raises SettingsError if none is set or stored in the data folder."""
        text = self.secret_key.get_secret_value() or stored_secret(self.data_dir / "secret_key")
        return tuple(key.encode() for key in text.split())

    def create_secret(self) -> None:
        """Store a signing key in the data folder if none is set."""
        if not self.secret_key.get_secret_value():
            generate_secret(self.data_dir / "secret_key")


class ProcessSettings(BaseSettings):
    """Processes and logs"""

    worker_processes: int = Field(2, ge=1, le=64, description="Processes of `digest worker`.")
    web_host: str = Field("127.0.0.1", description="Address that `digest web` listens on, behind a TLS proxy.")
    web_port: int = Field(8000, ge=0, le=65535, description="Port that `digest web` listens on; 0 picks a free one.")
    forwarded_allow_ips: str = Field(
        "127.0.0.1", description="Proxies whose X-Forwarded-For header is trusted, separated by commas."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="`debug`, `info`, `warning` or `error`."
    )
    log_json: bool = Field(False, description="Log one JSON object a line.")
    inbox_dir: Annotated[AtHome | None, EMPTY_IS_NONE] = Field(
        None, description="Maildir shown by the page /inbox. Set by the demo; leave it empty."
    )

    @field_validator("web_port", mode="before")
    @classmethod
    def _web_port(cls, value: object) -> object:
        if isinstance(value, str) and value.startswith("tcp://"):
            raise ValueError(
                "a port is a number; Kubernetes sets this for a service named digest-web: rename the service, or set "
                "enableServiceLinks: false in the pod"
            )
        return value

    @field_validator("web_host")
    @classmethod
    def _web_host(cls, value: str) -> str:
        if not re.fullmatch(r"[\w.:%-]+", value):
            raise ValueError("use an address of this machine such as 127.0.0.1, or 0.0.0.0 for all")
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _proxies(cls, value: str) -> str:
        try:
            proxies = value.replace(",", " ").split()
            _ = [ip_network(proxy) for proxy in proxies if proxy != "*"]
        except ValueError:
            raise ValueError("use addresses and networks such as 127.0.0.1,10.0.0.0/8, or *") from None
        return ",".join(proxies)


def web_address(value: str) -> str:
    """`value` without a slash at its end. Raises ValueError for what is not a web address."""
    try:
        parts = urlsplit(value)
        is_plain = parts.port != 0 and value.isascii() and value.isprintable() and not {" ", "@", "?", "#"} & {*value}
    except ValueError:
        is_plain = False
    if not is_plain or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("use a web address such as https://papers.example.org")
    return value.rstrip("/")

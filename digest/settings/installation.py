"""The settings of the installation itself: its address, its storage, its pages and logs."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from digest.language import SOURCE, Languages
from digest.resources import resource
from digest.settings.environment import at_home
from digest.settings.secrets import SHORTEST, generate_secret, stored_secret
from digest.smtp import is_loopback, split_server
from digest.text import parse_domain

_WEB_ADDRESS = re.compile(r"https?://(\[[\da-f:.]+\]|[\w.-]+)(:\d+)?(/[\w./~%+-]*)?", re.ASCII | re.IGNORECASE)
_TLS_OPTIONS = {"ssl_cert_reqs", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile"}
_REDIS_OPTIONS = {"redis": set[str](), "rediss": _TLS_OPTIONS, "unix": {"db"}}  # what both clients understand
_SSL_MODES = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

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

    @field_validator("title", "contact")
    @classmethod
    def _one_line(cls, value: str) -> str:
        if not value.isprintable():
            raise ValueError("write it on one line, without control characters")
        return value

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
    replay_dir: Annotated[AtHome | None, EMPTY_IS_NONE] = Field(
        None,
        description="Folder of the replay log, which records who unsubscribed and what was sent since a backup. Keep it on a different disk from the database; see docs/backup.md. Empty: `replay` in the data folder.",
    )
    replay_days: int = Field(
        35, ge=1, le=3650, description="Days that the replay log is kept. Do not restore an older backup."
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        description="`redis://…`, `rediss://…` (TLS) or `unix:///path` of a Redis or Valkey server, which carries hints to the workers. Empty: `digest up` starts its own Valkey.",
    )
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="At least 32 random characters; signs the links in emails. To replace it, put the new one in front of the old, separated by a space: the first signs, all are accepted. The last also hashes addresses in the ledger and must stay last. Empty: one is generated in the data folder.",
    )

    @field_validator("data_dir", mode="before")
    @classmethod
    def _data_dir(cls, value: object) -> object:
        if not str(value).strip() or "://" in str(value):
            raise ValueError("name a folder, such as /var/lib/digest")
        return value

    @field_validator("database_url")
    @classmethod
    def _database_url(cls, value: SecretStr) -> SecretStr:
        scheme, colon, rest = value.get_secret_value().strip().partition("://")
        kind = scheme.lower().partition("+")[0]
        if kind == "sqlite" and colon:
            return SecretStr(f"sqlite:///{_database_file(rest)}")
        if kind in ("postgresql", "postgres") and colon:
            return SecretStr(_postgresql(rest))
        if scheme:
            raise ValueError("start with postgresql:// or sqlite:///")
        return SecretStr("")

    @field_validator("redis_url")
    @classmethod
    def _redis_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value().strip()
        return SecretStr(_redis(url) if url else "")

    @field_validator("secret_key")
    @classmethod
    def _secret_key(cls, value: SecretStr) -> SecretStr:
        keys = value.get_secret_value().split()
        if any(len(key) < SHORTEST for key in keys):
            raise ValueError(f"use at least {SHORTEST} random characters: openssl rand -hex {SHORTEST}")
        return SecretStr(" ".join(keys))

    @property
    def database(self) -> str:
        """The database's address, with the default filled in. Holds a password: never log it."""
        return self.database_url.get_secret_value() or f"sqlite:///{self.data_dir.absolute() / 'digest.sqlite'}"

    @property
    def replay_folder(self) -> Path:
        return self.replay_dir or self.data_dir.absolute() / "replay"

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

    worker_processes: int = Field(
        2,
        ge=1,
        le=64,
        description="Processes of `digest worker`. If this is not set, `digest up` runs one, which is enough for 10,000 subscribers.",
    )
    web_processes: int = Field(
        1, ge=1, le=64, description="Processes of `digest web`. Each keeps up to 60 MB of pages in memory."
    )
    web_host: str = Field("127.0.0.1", description="Address that `digest web` listens on, behind a TLS proxy.")
    web_port: int = Field(8000, ge=0, le=65535, description="Port that `digest web` listens on; 0 picks a free one.")
    forwarded_allow_ips: str = Field(
        "127.0.0.1",
        description="Addresses and networks of the proxies whose X-Forwarded-For header is trusted; `*` trusts any.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="`debug`, `info`, `warning` or `error`."
    )
    log_json: bool = Field(False, description="Log one JSON object a line.")
    log_clients: bool = Field(False, description="Log the address of each request's client, which is personal data.")
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
        if not is_host(value):
            raise ValueError("use an address of this machine such as 127.0.0.1, or 0.0.0.0 for all")
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _proxies(cls, value: str) -> str:
        try:
            proxies = value.replace(",", " ").split()
            _ = [ip_network(proxy) for proxy in proxies if proxy != "*"]
        except ValueError:
            raise ValueError("use addresses and networks such as 127.0.0.1 10.0.0.0/8, or *") from None
        return ",".join(proxies)


def web_address(value: str) -> str:
    """`value` without a slash at its end. Raises ValueError for what is not a web address."""
    try:
        parts = urlsplit(value)
        is_plain = _WEB_ADDRESS.fullmatch(value) and parts.port != 0 and is_host(parts.hostname or "")
    except ValueError:
        is_plain = False
    if not is_plain:
        raise ValueError("use a web address such as https://papers.example.org")
    return parts.geturl().rstrip("/")


def web_address_with_query(value: str) -> str:
    """`value`, a web address that may hold a secret in its path or query. Raises ValueError, which quotes none of it."""
    try:
        parts = urlsplit(value)
        is_plain = parts.scheme in ("http", "https") and parts.port != 0 and is_host(parts.hostname or "")
    except ValueError:
        is_plain = False
    if not is_plain or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("use a web address such as https://hooks.example.org/T0/B0")
    return value


def is_host(text: str) -> bool:
    """Return True for an IP address, and for what can be the name of a machine."""
    try:
        return bool(ip_address(text))
    except ValueError:
        pass
    try:
        return parse_domain(text.replace("_", "-").encode("idna").decode()) is not None
    except UnicodeError:
        return False


def _database_file(path: str) -> Path:
    file = at_home(Path(path.removeprefix("/")))
    if len(path) < 2 or path[0] != "/" or any(sign in path for sign in ("?", "/file:", ":memory:")) or file.is_dir():
        raise ValueError("name a file that all processes share: sqlite:///path")
    return file


def _postgresql(rest: str) -> str:
    parts = split_server(f"postgresql://{rest}")
    if parts.netloc.count("@") > 1:  # SQLAlchemy would take a part of the password for the host
        raise ValueError("in user and password write @ as %40")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if any("password" in name for name in options):
        raise ValueError("write user and password before the host: postgresql://user:password@host/name")
    if options:
        from psycopg import Error
        from psycopg.conninfo import make_conninfo

        try:
            make_conninfo(**options)
            is_right = options.get("sslmode", "require") in _SSL_MODES
        except Error:
            is_right = False
        if not is_right:
            raise ValueError("after ? write options of PostgreSQL, such as sslmode=require")
    return f"postgresql://{rest}"


def _redis(url: str) -> str:
    scheme = url.partition("://")[0]
    if scheme not in _REDIS_OPTIONS:
        raise ValueError("start with redis://, rediss:// or unix:///path (also for Valkey)")
    parts = split_server(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if scheme == "unix" and (parts.hostname or not parts.path):
        raise ValueError("write the path of the socket: unix:///run/redis.sock")
    if scheme != "unix" and not (is_host(parts.hostname or "") and re.fullmatch(r"/?|/[0-9]{1,5}", parts.path)):
        raise ValueError("write host and number of the database: redis://:password@host:6379/0")
    if wrong := options.keys() - _REDIS_OPTIONS[scheme]:
        raise ValueError(f"remove {min(wrong)}= from the end; not every client of Redis understands it here")
    if not re.fullmatch("[0-9]{1,5}", options.get("db", "0")):
        raise ValueError("db is a number: unix:///run/redis.sock?db=0")
    if options.get("ssl_cert_reqs", "none") not in ("required", "optional", "none"):
        raise ValueError("ssl_cert_reqs is required, optional or none")
    if scheme == "rediss" and "ssl_cert_reqs" not in options:  # else Celery's client, unlike ours, would check nothing
        url += f"{'&' if parts.query else '?'}ssl_cert_reqs=required"
    return url

"""Mail servers and their URLs."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit


class Security(StrEnum):
    """No encryption, STARTTLS that must succeed (RFC 3207), or TLS from the first byte."""

    NONE = "smtp"
    STARTTLS = "smtp+starttls"
    TLS = "smtps"


_ESCAPE = "in user and password write # as %23, / as %2F, ? as %3F, @ as %40, [ as %5B, ] as %5D and a blank as %20"
_PORTS = {Security.NONE: 25, Security.STARTTLS: 587, Security.TLS: 465}


@dataclass(frozen=True, slots=True)
class Relay:
    """An SMTP server to send through. `weight`: its share, if there are several."""

    host: str
    port: int
    security: Security
    username: str = ""
    password: str = field(default="", repr=False)
    weight: int = 1
    ehlo_name: str = ""  # empty: this machine's own
    ca_file: Path | None = None  # certificate authorities to trust for it, in addition to this machine's

    @property
    def is_local(self) -> bool:
        return is_loopback(self.host)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def split_server(url: str) -> SplitResult:
    """The parts of a server's URL. Raises ValueError, which never quotes the password or a part of it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise ValueError(_ESCAPE) from None
    if any(c.isspace() for c in url) or "@" in f"{parts.path}{parts.query}{parts.fragment}" or parts.fragment:
        raise ValueError(_ESCAPE)
    try:
        is_port = parts.port != 0
    except ValueError:
        is_port = False
    if not is_port:
        raise ValueError("the port is a number from 1 to 65535")
    return parts


def parse_relay(url: str) -> Relay:
    """Parse `smtp+starttls://user:password@host:587?weight=2`. Raises ValueError, never quoting the password."""
    parts = split_server(url)
    try:
        security = Security(parts.scheme)
    except ValueError:
        raise ValueError("start with smtp+starttls:// or smtps:// (smtp:// for this machine only)") from None
    host = parts.hostname
    if not host:
        raise ValueError("the host is missing: write smtps://user:password@host:465")
    options = parse_qs(parts.query, keep_blank_values=True)
    if parts.path not in ("", "/") or options.keys() - {"weight"}:
        raise ValueError(f"only ?weight= may follow host and port; {_ESCAPE}")
    if security is Security.NONE and not is_loopback(host):
        raise ValueError(f"smtp:// sends in clear text; {host} is not this machine: use smtp+starttls:// or smtps://")
    if bool(parts.username) != bool(parts.password):
        raise ValueError("write user and password, or neither: smtps://user:password@host:465")
    weight = options.get("weight", ["1"])[-1]
    if not (weight.isascii() and weight.isdecimal() and 0 < len(weight) < 5 and int(weight)):
        raise ValueError("the weight is a whole number from 1 to 9999")
    port = parts.port or _PORTS[security]
    return Relay(host, port, security, unquote(parts.username or ""), unquote(parts.password or ""), int(weight))

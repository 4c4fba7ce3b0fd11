"""Mail servers and their URLs."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit


class Security(StrEnum):
    """No encryption, STARTTLS that must succeed (RFC 3207), or TLS from the first byte."""

    NONE = "smtp"
    STARTTLS = "smtp+starttls"
    TLS = "smtps"


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


def parse_relay(url: str) -> Relay:
    """Parse `smtp+starttls://user:password@host:587?weight=2`. Raises ValueError, never quoting the password."""
    parts = urlsplit(url.strip())
    try:
        security = Security(parts.scheme)
    except ValueError:
        raise ValueError("start with smtp+starttls:// or smtps:// (smtp:// for this machine only)") from None
    host = parts.hostname
    if not host:
        raise ValueError("the host is missing")
    if security is Security.NONE and not is_loopback(host):
        raise ValueError(f"smtp:// sends in clear text; {host} is not this machine: use smtp+starttls:// or smtps://")
    try:
        port = parts.port or _PORTS[security]
        weight = int(parse_qs(parts.query).get("weight", ["1"])[0])
    except ValueError:
        raise ValueError("port and weight are numbers") from None
    if weight < 1:
        raise ValueError("weight is 1 or more")
    return Relay(host, port, security, unquote(parts.username or ""), unquote(parts.password or ""), weight)

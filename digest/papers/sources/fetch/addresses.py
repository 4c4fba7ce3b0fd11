"""Limits redirects to public addresses and to the address that the operator configured."""

import re
import socket
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052


# In the address of a private list: parameters with such names.
_SECRET = re.compile(
    r"(?<=[?&;])([^=&;#]*(?:token|key|pass|pwd|secret|auth|signature|credential)[^=&;#]*=)[^&;#]*", re.IGNORECASE
)


class Origin(NamedTuple):
    """Host and port of an address, or "" and 0."""

    host: str
    port: int


def origin(url: str) -> Origin:
    try:
        parts = urlsplit(url)
        return Origin((parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme, 0))
    except ValueError:
        return Origin("", 0)


def without_secrets(url: str) -> str:
    """An address as it may be shown, logged and stored: without user, password and tokens."""
    return _SECRET.sub(r"\1…", re.sub("(?<=://)[^/?#]*@", "", url))


def redirect_problem(source: str, target: str, home: Origin) -> str:
    """Why a redirect from `source` to `target` is not followed, or "". `home` is the address that the operator set."""
    scheme, destination = urlsplit(target).scheme, origin(target)
    if scheme not in _PORTS or not destination.host:
        return "an address that is not http:// or https://"
    if destination == home:
        return ""
    if scheme == "http" and urlsplit(source).scheme == "https":
        return f"{destination.host} without TLS"
    inside = [address for address in _addresses(destination) if not is_public_address(address)]
    return f"{inside[0]}, which is not a public address" if inside else ""


def is_public_address(text: str) -> bool:
    """True for a public IP address, also when it is embedded in an IPv6 address (RFC 4291 §2.5.5)."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv6Address):
        hidden = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if address in _NAT64:
            hidden = ip_address(int(address) & 0xFFFFFFFF)  # type: ignore[assignment]
        if hidden is not None:
            return is_public_address(str(hidden))
    return address.is_global and not address.is_multicast


def _addresses(destination: Origin) -> list[str]:
    try:
        entries = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []  # connecting will fail with a better message
    return [str(entry[4][0]) for entry in entries]

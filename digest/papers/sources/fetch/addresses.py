"""Limits redirects to public addresses and to the address that the operator configured."""

import re
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}
# The only addresses of IPv6 that are public (RFC 4291 §2.4); Python also calls those global that nobody has.
_PUBLIC = IPv6Network("2000::/3")
# Forms that lead to an IPv4 address, and how many bits follow it: mapped (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
# Others, among them those of a network's own NAT64 (RFC 8215), are refused, also with a public IPv4 address.
_EMBEDDED = ((IPv6Network("::ffff:0:0/96"), 0), (IPv6Network("64:ff9b::/96"), 0), (IPv6Network("2002::/16"), 80))
# For protocols and relays, not for servers (RFC 6890, RFC 7526).
_SPECIAL = (IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"))


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
    """True for a public IP address, also when it is embedded in an IPv6 address."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, IPv4Address):
        return address.is_global and not address.is_multicast and not any(address in network for network in _SPECIAL)
    for network, bits in _EMBEDDED:
        if address in network:
            return is_public_address(str(IPv4Address(int(address) >> bits & 0xFFFFFFFF)))
    return address.is_global and address in _PUBLIC


def _addresses(destination: Origin) -> list[str]:
    try:
        entries = socket.getaddrinfo(destination.host, destination.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return []  # connecting will fail with a better message
    return [str(entry[4][0]) for entry in entries]

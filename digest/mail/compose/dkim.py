"""DKIM signatures (RFC 6376, 8301, 8463) over a message whose body is its own relaxed canonical form.

The same message, key and date give the same signature: RSA with PKCS#1 v1.5 and Ed25519 take no random numbers.
"""

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from digest.mail.message import UnfitMessage

SHORTEST_RSA = 2048  # bits; RFC 8301 §3.2
GOOD_LINE = 78

# Every List- field is covered too (RFC 8058 §4 asks for two of them).
_COVERED = {
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "mime-version",
    "content-type",
    "feedback-id",
    "auto-submitted",
    "precedence",
}
# Listed once more than they occur, so that adding another breaks the signature (RFC 6376 §8.15).
_ONCE_MORE = (
    "From",
    "To",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "MIME-Version",
    "Content-Type",
)
_SELECTOR = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE)
_PADDING, _SHA256 = PKCS1v15(), SHA256()

Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key, and the name under which receivers find the public one in the DNS."""

    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey

    @property
    def kind(self) -> str:
        """`rsa` or `ed25519`, as in the DNS."""
        return "rsa" if isinstance(self.key, RSAPrivateKey) else "ed25519"

    def sign(self, canonical: bytes) -> bytes:
        """The signature of canonical header fields."""
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(canonical, _PADDING, _SHA256)
        return self.key.sign(hashlib.sha256(canonical).digest())  # RFC 8463 §3


def load_signer(selector: str, pem: bytes) -> Signer:
    """Load a private key in PEM. Raises ValueError, in one line, for anything that cannot sign."""
    if not _SELECTOR.fullmatch(selector):
        raise ValueError(f"{selector!r} cannot be a name in the DNS")
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the private key is protected by a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("this is no private key in PEM") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("DKIM knows RSA and Ed25519 keys only")
    if isinstance(key, RSAPrivateKey) and key.key_size < SHORTEST_RSA:
        raise ValueError(f"an RSA key of {key.key_size} bits is too short, {SHORTEST_RSA} are needed")
    return Signer(selector, key)


def first_of_each_kind(signers: Iterable[Signer]) -> tuple[Signer, ...]:
    """The first RSA key and the first Ed25519 key: those that sign a new message."""
    first: dict[str, Signer] = {}
    for signer in signers:
        first.setdefault(signer.kind, signer)
    return tuple(first.values())


def named(signers: Iterable[Signer], selectors: Sequence[str]) -> tuple[Signer, ...]:
    """Return the signers with these selectors, in this order. Raises UnfitMessage when one is no longer set."""
    by_selector = {signer.selector: signer for signer in signers}
    if missing := [selector for selector in selectors if selector not in by_selector]:
        raise UnfitMessage(f"the DKIM key {missing[0]} is no longer set")
    return tuple(by_selector[selector] for selector in selectors)


def dns_record(signer: Signer) -> str:
    """The TXT record for <selector>._domainkey.<domain>."""
    rsa, ed25519 = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo), (Encoding.Raw, PublicFormat.Raw)
    encoded = signer.key.public_key().public_bytes(*(rsa if signer.kind == "rsa" else ed25519))
    return f"v=DKIM1; k={signer.kind}; p={base64.b64encode(encoded).decode()}"


def signatures(fields: Fields, body: bytes, domain: str, at: datetime, signers: Iterable[Signer]) -> Fields:
    """The DKIM-Signature fields to put above `fields`, one per signer.

    `body` must be its own relaxed canonical form (quoted_printable.py); `at` is the Date of the message.
    """
    covered = [(name, value) for name, value in fields if name.lower() in _COVERED or name.startswith("List-")]
    canonical = "".join([f"{name.lower()}:{' '.join(value.split())}\r\n" for name, value in covered])
    names = _names(tuple(name for name, _ in covered))
    body_hash = base64.b64encode(hashlib.sha256(body).digest()).decode()
    return [
        ("DKIM-Signature", _signature(signer, canonical, f"d={domain}; t={int(at.timestamp())};", names, body_hash))
        for signer in signers
    ]


def _signature(signer: Signer, canonical: str, domain_and_time: str, names: str, body_hash: str) -> str:
    unsigned = (
        f"v=1; a={signer.kind}-sha256; c=relaxed/relaxed; s={signer.selector};\r\n {domain_and_time}\r\n"
        f" h={names};\r\n bh={body_hash};\r\n b="
    )
    own = unsigned.replace("\r\n", "")
    signature = base64.b64encode(signer.sign(f"{canonical}dkim-signature:{own}".encode("ascii"))).decode()
    first, rest = signature[:70], signature[70:]
    return unsigned + "\r\n ".join([first, *(rest[begin : begin + 72] for begin in range(0, len(rest), 72))])


@lru_cache(maxsize=100)
def _names(covered: tuple[str, ...]) -> str:
    """The h= tag, folded between names (RFC 6376 §3.5)."""
    lines = [""]
    for name in (*covered, *_ONCE_MORE):
        if len(lines[-1]) + len(name) > GOOD_LINE - len(" h=:;"):
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n ".join(lines).removesuffix(":")

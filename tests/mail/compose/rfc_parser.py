"""dkimpy, the judge of our signatures. It reads public keys from a dictionary instead of the DNS.

For Ed25519 it asks PyNaCl, which is not installed here, for one thing: whether 64 bytes sign 32. That is answered by
cryptography; what is signed is worked out by dkimpy alone.
"""

import base64
from collections.abc import Sequence
from functools import cache
from types import SimpleNamespace

import dkim
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from digest.mail.compose.dkim import Signer, dns_record, load_signer


class _VerifyKey:
    def __init__(self, encoded: bytes, encoder: object) -> None:
        self._key = ed25519.Ed25519PublicKey.from_public_bytes(base64.b64decode(encoded))

    def verify(self, said: bytes, signature: bytes) -> None:
        self._key.verify(signature, said)


dkim.nacl = SimpleNamespace(
    signing=SimpleNamespace(VerifyKey=_VerifyKey),
    encoding=SimpleNamespace(Base64Encoder=None),
    exceptions=SimpleNamespace(BadSignatureError=InvalidSignature, ValueError=ValueError),
)


def pem(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@cache
def an_rsa_key(bits: int = 2048, number: int = 1) -> bytes:
    return pem(rsa.generate_private_key(65537, bits))


@cache
def an_rsa_signer(selector: str = "rsa1") -> Signer:
    return load_signer(selector, an_rsa_key())


@cache
def an_ed25519_signer(selector: str = "ed1") -> Signer:
    return load_signer(selector, pem(ed25519.Ed25519PrivateKey.from_private_bytes(selector.encode().ljust(32))))


def verdicts(message: bytes, signers: Sequence[Signer], domain: str) -> list[bool]:
    """dkimpy's verdict on each signature, top first. Raises an exception for a malformed signature."""
    records = {f"{one.selector}._domainkey.{domain}.".encode(): dns_record(one).encode() for one in signers}
    count = message.partition(b"\r\n\r\n")[0].count(b"DKIM-Signature:")
    return [dkim.DKIM(message).verify(idx=at, dnsfunc=lambda name, timeout: records[name]) for at in range(count)]


def holds(message: bytes, signers: Sequence[Signer], domain: str) -> bool:
    """Every signer signed, and nothing was changed since."""
    try:
        found = verdicts(message, signers, domain)
    except dkim.DKIMException:
        return False
    return len(found) == len(signers) and all(found)

"""Makes DKIM keys."""

import os
from datetime import date
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from digest.mail.compose.dkim import SHORTEST_RSA


def selector_of(day: date, kind: str) -> str:
    """Return the selector of a key, named after its month, so that the next key gets another."""
    return f"{day:%b%Y}".lower() + ("e" if kind == "ed25519" else "")


def write_key(kind: str, file: Path) -> None:
    """Write a new private key that only its owner can read. Raises FileExistsError: a key is never replaced."""
    key = Ed25519PrivateKey.generate() if kind == "ed25519" else generate_private_key(65537, SHORTEST_RSA)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as new:
        new.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))

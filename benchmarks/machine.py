"""Measures the CPU time that hashing and signing take on this machine, the least that a signed message costs."""

import hashlib
import time
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

_SECONDS = 0.5
_AT_ONCE = 20
_BLOCK = bytes(50_000)  # about a message


def sha256_mb_per_second() -> float:
    """Megabytes of one SHA-256 pass in a second of CPU time."""
    return _per_second(lambda: hashlib.sha256(_BLOCK).digest()) * len(_BLOCK) / 1e6


def rsa_signatures_per_second(key: bytes) -> float:
    """Signatures with an RSA key (PEM) in a second of CPU time."""
    loaded = load_pem_private_key(key, password=None)
    assert isinstance(loaded, RSAPrivateKey)
    return _per_second(lambda: loaded.sign(b"x" * 1000, PKCS1v15(), hashes.SHA256()))


def _per_second(work: Callable[[], object]) -> float:
    count, began = 0, time.process_time()
    while (spent := time.process_time() - began) < _SECONDS:
        for _ in range(_AT_ONCE):
            work()
        count += _AT_ONCE
    return count / spent

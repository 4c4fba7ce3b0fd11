"""Signed links, without a table: which subscriber, for which purpose, since when.

24 bytes → 32 characters of base64url: key id 1, subscriber 4, hours since 2020 3, HMAC-SHA256 cut to 16.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

CONFIRM_FOR = timedelta(hours=72)  # how long a confirmation link works
FEEDBACK_FOR = timedelta(days=365)  # those in a message; a newer message has new ones

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
_TEXT = re.compile(r"[A-Za-z0-9_-]{32}")


class Purpose(StrEnum):
    """The purpose of a link. It is signed too, so that a link never opens a page of another purpose."""

    CONFIRM = "confirm"
    MANAGE = "manage"
    UNSUBSCRIBE = "unsubscribe"
    FEEDBACK = "feedback"  # to say what the subscriber thinks of papers, and to suggest some


class VerifiedToken(NamedTuple):
    """The content of a token: its subscriber, and the hour in which it was signed."""

    subscriber_id: int
    issued: datetime

    def has_expired(self, max_age: timedelta, now: datetime) -> bool:
        """Hours are kept, so a token may live up to an hour longer."""
        return now >= self.issued + max_age + _HOUR


def sign(purpose: Purpose, subscriber_id: int, issued: datetime, keys: Sequence[bytes]) -> str:
    """The token for a link, signed with the first key. The same arguments give the same text, byte for byte."""
    hours = (issued - _EPOCH) // _HOUR
    signed = _mark(keys[0]) + subscriber_id.to_bytes(4, "big") + hours.to_bytes(3, "big")
    return base64.urlsafe_b64encode(signed + _mac(keys[0], purpose, signed)).decode("ascii")


def key_id(key: bytes) -> str:
    """The name of a key, by which an issue remembers which one signed its links; it gives nothing of the key away."""
    return hmac.digest(key, b"the name of this key", hashlib.sha256)[:8].hex()


def key_named(keys: Sequence[bytes], name: str) -> bytes | None:
    """The key with this name, None when it is not there any more."""
    return next((key for key in keys if key_id(key) == name), None)


def verify(purpose: Purpose, token: str, keys: Sequence[bytes]) -> VerifiedToken | None:
    """The content of a token that one of `keys` signed for `purpose`; None for anything else, however malformed."""
    # b64decode skips characters that it does not know: without this check one token would have many texts.
    if not _TEXT.fullmatch(token):
        return None
    raw = base64.urlsafe_b64decode(token)
    signed, mac = raw[:8], raw[8:]
    if not any(_signed_by(key, purpose, signed, mac) for key in keys):
        return None
    return VerifiedToken(int.from_bytes(signed[1:5], "big"), _EPOCH + int.from_bytes(signed[5:], "big") * _HOUR)


def _signed_by(key: bytes, purpose: Purpose, signed: bytes, mac: bytes) -> bool:
    return signed[:1] == _mark(key) and hmac.compare_digest(mac, _mac(key, purpose, signed))


def _mac(key: bytes, purpose: Purpose, signed: bytes) -> bytes:
    mac = _begun(key, purpose).copy()
    mac.update(signed)
    return mac.finalize()[:16]


@lru_cache(maxsize=100)
def _begun(key: bytes, purpose: Purpose) -> HMAC:
    # "link" keeps these apart from the other uses of the key (recipient_key).
    mac = HMAC(key, SHA256())
    mac.update(b"link\0" + purpose.encode() + b"\0")
    return mac


@lru_cache(maxsize=100)
def _mark(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:1]

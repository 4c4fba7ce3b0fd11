"""Signed links, without a table: which subscriber, for which purpose, since when.

24 bytes → 32 characters of base64url: key id 1, subscriber 4, hours since 2020 3, 16 bytes of an HMAC-SHA256.
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
TOKEN_LENGTH = 32
# Mail programs take punctuation after a link into it, quoted-printable read badly adds "3D".
_TEXT = re.compile(rf"([A-Za-z0-9_-]{{{TOKEN_LENGTH}}})(?:3D|[\W_])*")
_MAC_BYTES = 16
_MAC_STARTS = range(17)  # in the 32 bytes of an HMAC


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


def sign(purpose: Purpose, subscriber_id: int, issued: datetime, keys: Sequence[bytes], any_end: bool = False) -> str:
    """The token for a link, signed with the first key. The same arguments give the same text, byte for byte.

    Mail programs leave "-" and "_" at the end of a plain-text link out of it, so a token ends in neither; with
    `any_end` it may, as those of earlier versions.
    """
    hours = (issued - _EPOCH) // _HOUR
    signed = _mark(keys[0]) + subscriber_id.to_bytes(4, "big") + hours.to_bytes(3, "big")
    mac = _mac(keys[0], purpose, signed)
    texts = (base64.urlsafe_b64encode(signed + mac[start : start + _MAC_BYTES]).decode() for start in _MAC_STARTS)
    return next(text for text in texts if any_end or text[-1] not in "-_")


def key_id(key: bytes) -> str:
    """The name of a key, by which an issue remembers which one signed its links; it gives nothing of the key away."""
    return hmac.digest(key, b"the name of this key", hashlib.sha256)[:8].hex()


def key_named(keys: Sequence[bytes], name: str) -> bytes | None:
    """The key with this name, None when it is not there any more."""
    return next((key for key in keys if key_id(key) == name), None)


def verify(purpose: Purpose, token: str, keys: Sequence[bytes]) -> VerifiedToken | None:
    """The content of a token that one of `keys` signed for `purpose`; None for anything else, however malformed.

    Punctuation after it is ignored: it is what the first TOKEN_LENGTH characters say that was signed.
    """
    # b64decode skips characters that it does not know: without this check one token would have many texts.
    match = _TEXT.fullmatch(token)
    if not match:
        return None
    raw = base64.urlsafe_b64decode(match[1])
    signed, mac = raw[:8], raw[8:]
    if not any(_signed_by(key, purpose, signed, mac) for key in keys):
        return None
    return VerifiedToken(int.from_bytes(signed[1:5], "big"), _EPOCH + int.from_bytes(signed[5:], "big") * _HOUR)


def _signed_by(key: bytes, purpose: Purpose, signed: bytes, mac: bytes) -> bool:
    if signed[:1] != _mark(key):
        return False
    whole = _mac(key, purpose, signed)
    return any(hmac.compare_digest(mac, whole[start : start + _MAC_BYTES]) for start in _MAC_STARTS)


def _mac(key: bytes, purpose: Purpose, signed: bytes) -> bytes:
    mac = _begun(key, purpose).copy()
    mac.update(signed)
    return mac.finalize()


@lru_cache(maxsize=100)
def _begun(key: bytes, purpose: Purpose) -> HMAC:
    # "link" keeps these apart from the other uses of the key (recipient_key).
    mac = HMAC(key, SHA256())
    mac.update(b"link\0" + purpose.encode() + b"\0")
    return mac


@lru_cache(maxsize=100)
def _mark(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[:1]

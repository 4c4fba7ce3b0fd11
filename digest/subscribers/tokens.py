"""Signed links, without a table: which subscriber, for which purpose, since when.

24 bytes → 32 characters of base64url: key id 1, subscriber 4, hours since 2020 3, 16 bytes of an HMAC-SHA256. Once the
subscriber has revoked earlier links: key id 1, subscriber 4, hours 3, version 2, 14 bytes of an HMAC-SHA256.
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
FRESH_FOR = timedelta(hours=24)  # a link that was asked for; after that it only opens the preferences
FEEDBACK_FOR = timedelta(days=365)  # those in a message; a newer message has new ones

_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)
_HOUR = timedelta(hours=1)
TOKEN_LENGTH = 32
# Mail programs take punctuation after a link into it, quoted-printable read badly adds "3D".
_TEXT = re.compile(rf"([A-Za-z0-9_-]{{{TOKEN_LENGTH}}})(?:3D|[\W_])*")
_SIGNED_LENGTHS = (8, 10)  # bytes, without and with a version; the rest is a part of the HMAC
_PARTS = (slice(1, 5), slice(5, 8), slice(8, 10))  # subscriber, hours, version
_HMAC_BYTES = 32


class Purpose(StrEnum):
    """The purpose of a link. It is signed too, so that a link never opens a page of another purpose."""

    CONFIRM = "confirm"
    MANAGE = "manage"
    FRESH = "fresh"  # emailed on request: for a day, it opens the subscriber's data as well as the preferences
    UNSUBSCRIBE = "unsubscribe"  # without a version: works for as long as the key is kept
    FEED = "feed"  # read-only: the lists they were sent, for a feed reader, until they revoke their links
    LIST = "list"  # the papers they saved, to see, export and remove, until they revoke their links
    # The number in these two is that of a request, and not its subscriber's: another request does not revive them.
    OLD_ADDRESS = "old address"  # to confirm or cancel a change of address
    NEW_ADDRESS = "new address"  # to confirm it, or to get no such email again
    FEEDBACK = "feedback"  # to say what the subscriber thinks of papers, and to suggest some


class VerifiedToken(NamedTuple):
    """The content of a token: its subscriber, the hour in which it was signed, and the version of their links."""

    subscriber_id: int
    issued: datetime
    version: int = 0

    def has_expired(self, max_age: timedelta, now: datetime) -> bool:
        """Hours are kept, so a token may live up to an hour longer."""
        return now >= self.issued + max_age + _HOUR


def sign(
    purpose: Purpose,
    subscriber_id: int,
    issued: datetime,
    keys: Sequence[bytes],
    any_end: bool = False,
    version: int = 0,
) -> str:
    """The token for a link, signed with the first key. The same arguments give the same text, byte for byte.

    `version`: how often the subscriber has revoked their links; one to unsubscribe carries none.
    Mail programs leave "-" and "_" at the end of a plain-text link out of it, so a token ends in neither; with
    `any_end` it may, as those of earlier versions of this program.
    """
    hours = (issued - _EPOCH) // _HOUR
    signed = _mark(keys[0]) + subscriber_id.to_bytes(4, "big") + hours.to_bytes(3, "big")
    if version and purpose is not Purpose.UNSUBSCRIBE:
        signed += version.to_bytes(2, "big")
    mac, length = _mac(keys[0], purpose, signed), TOKEN_LENGTH * 6 // 8 - len(signed)
    for start in range(_HMAC_BYTES - length + 1):
        text = base64.urlsafe_b64encode(signed + mac[start : start + length]).decode()
        if any_end or text[-1] not in "-_":
            return text
    raise AssertionError("every part of the signature ends badly")  # about once in 10^25 signatures


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
    for length in _SIGNED_LENGTHS:
        signed, mac = raw[:length], raw[length:]
        if any(_signed_by(key, purpose, signed, mac) for key in keys):
            subscriber_id, hours, version = (int.from_bytes(raw[part], "big") for part in _PARTS)
            issued = _EPOCH + hours * _HOUR
            return VerifiedToken(subscriber_id, issued, version if length == _SIGNED_LENGTHS[1] else 0)
    return None


def _signed_by(key: bytes, purpose: Purpose, signed: bytes, mac: bytes) -> bool:
    if signed[:1] != _mark(key):
        return False
    whole = _mac(key, purpose, signed)
    parts = (whole[start : start + len(mac)] for start in range(_HMAC_BYTES - len(mac) + 1))
    return any(hmac.compare_digest(mac, part) for part in parts)


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

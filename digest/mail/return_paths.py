"""Signed email addresses: an envelope sender per delivery (VERP), and an address per subscriber for unsubscribing.

`bounces@example.org` becomes `bounces+TOKEN@example.org`. A token is 15 bytes in lower-case hexadecimal, because mail
servers may change the case of an address: key id 1, number of the delivery or subscriber 5, BLAKE2b with the key 9.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from digest.mail.message import Senders

TOKEN_LENGTH = 30
LONGEST_LOCAL = 64 - len("+") - TOKEN_LENGTH  # longest local part of an address that gets a token (RFC 5321 §4.5.3.1.1)

_TOKEN = re.compile(rf"[0-9a-f]{{{TOKEN_LENGTH}}}")
_NUMBER_BYTES, _MAC_BYTES = 5, 9


class AddressPurpose(StrEnum):
    """The purpose of a signed address, covered by the signature."""

    BOUNCE = "bounce"  # the number is a delivery's
    UNSUBSCRIBE = "unsubscribe"  # the number is a subscriber's


class SignedAddress:
    """An operator's address that gets a token in each message."""

    def __init__(self, purpose: AddressPurpose, address: str, keys: Sequence[bytes]) -> None:
        """The first of `keys` signs. Without an address, of() returns ""."""
        local, _, domain = address.rpartition("@")
        self._start, self._end = f"{local}+", f"@{domain}"
        self._mark, self._mac = _begun(keys[0], purpose)
        self._has_address = bool(address)

    def of(self, number: int) -> str:
        """Return the address for a delivery or subscriber, always the same; "" without an address."""
        if not self._has_address:
            return ""
        named = self._mark + number.to_bytes(_NUMBER_BYTES, "big")
        mac = self._mac.copy()
        mac.update(named)
        return f"{self._start}{(named + mac.digest()).hex()}{self._end}"


class SubscriberAddresses:
    """The signed addresses in the messages of these senders."""

    def __init__(self, senders: Senders, keys: Sequence[bytes]) -> None:
        self._reverse_path = "" if senders.signs_reverse_path else senders.reverse_path
        self._signed = SignedAddress(AddressPurpose.BOUNCE, senders.reverse_path, keys)
        self._unsubscribe = SignedAddress(AddressPurpose.UNSUBSCRIBE, senders.unsubscribe_address, keys)

    def reverse_path(self, delivery_id: int) -> str:
        """Return the envelope sender of a delivery."""
        return self._reverse_path or self._signed.of(delivery_id)

    def to_unsubscribe(self, subscriber_id: int) -> str:
        """Return the address that unsubscribes a subscriber; "" if there is none."""
        return self._unsubscribe.of(subscriber_id)


def token_in(address: str) -> str:
    """Return the text between the last plus of the local part and the @; "" without one."""
    return address.strip("<> \t").rpartition("@")[0].rpartition("+")[2] if "+" in address else ""


def number_of(purpose: AddressPurpose, token: str, keys: Sequence[bytes]) -> int | None:
    """Return the number that one of `keys` signed for `purpose`; None for anything else, even if malformed."""
    token = token.strip().lower()
    if not _TOKEN.fullmatch(token):
        return None
    raw = bytes.fromhex(token)
    named, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    for key in keys:
        mark, whole = _begun(key, purpose)
        whole = whole.copy()
        whole.update(named)
        if named[:1] == mark and hmac.compare_digest(mac, whole.digest()):
            return int.from_bytes(named[1:], "big")
    return None


@lru_cache(maxsize=100)
def _begun(key: bytes, purpose: AddressPurpose) -> tuple[bytes, hashlib.blake2b]:
    """Return the id of a key, and a MAC to continue. BLAKE2b accepts keys of up to 64 bytes."""
    short = hashlib.sha256(b"address\0" + key).digest()
    mac = hashlib.blake2b(key=short, digest_size=_MAC_BYTES, person=purpose.encode())
    return hashlib.sha256(b"mark\0" + short).digest()[:1], mac

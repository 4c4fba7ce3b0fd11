"""Checks that a webhook was sent by its provider. Pure; comparisons take constant time."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# Providers repeat a webhook, with its first signature, for up to two days; processing it twice changes nothing.
_OLDEST = timedelta(days=3)
_AHEAD = timedelta(minutes=10)

Headers = Mapping[str, str]  # names in lower case


def is_postmark(headers: Headers, secret: str) -> bool:
    """Postmark does not sign: it sends the password in the webhook's URL, as basic authentication."""
    kind, _, encoded = headers.get("authorization", "").partition(" ")
    try:
        password = base64.b64decode(encoded, validate=True).partition(b":")[2]
    except ValueError:
        return False
    return kind.lower() == "basic" and hmac.compare_digest(password, secret.encode())


def is_sendgrid(headers: Headers, body: bytes, public_key: str, now: datetime) -> bool:
    """Check ECDSA over the time and the body; the public key is base64, as shown by SendGrid."""
    stamp = headers.get("x-twilio-email-event-webhook-timestamp", "")
    try:
        signature = base64.b64decode(headers.get("x-twilio-email-event-webhook-signature", ""), validate=True)
        key = serialization.load_der_public_key(base64.b64decode(public_key))
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return False
        key.verify(signature, stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    except (ValueError, InvalidSignature):
        return False
    return _is_recent(stamp, now)


def is_mailgun(body: bytes, signing_key: str, now: datetime) -> bool:
    """Check HMAC-SHA256 over the time and a token, both in the body."""
    try:
        signature = json.loads(body)["signature"]
        stamp, token, digest = (str(signature[name]) for name in ("timestamp", "token", "signature"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return False
    expected = hmac.new(signing_key.encode(), f"{stamp}{token}".encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected.encode(), digest.encode("utf-8", "replace")) and _is_recent(stamp, now)


def is_standard(headers: Headers, body: bytes, secret: str, now: datetime) -> bool:
    """Check the HMAC of standardwebhooks.com over id, time and body."""
    stamp = headers.get("webhook-timestamp", "")
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((headers.get("webhook-id", "").encode(), stamp.encode(), body))
    expected = b"v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    given = headers.get("webhook-signature", "").encode().split()[:10]
    is_given = any([hmac.compare_digest(expected, signature) for signature in given])  # noqa: C419 - always compare all of them
    return is_given and _is_recent(stamp, now)


def _is_recent(stamp: str, now: datetime) -> bool:
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) < 12):
        return False
    age = now.timestamp() - int(stamp)
    return -_AHEAD.total_seconds() <= age <= _OLDEST.total_seconds()

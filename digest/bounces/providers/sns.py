"""Notifications of Amazon SNS, which carry the reports of SES: signatures, and confirming a subscription."""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

Fetch = Callable[[str], bytes]  # fetches a URL by HTTPS; raises OSError

_HOST = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
_HASHES: dict[str, hashes.HashAlgorithm] = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 - SNS chooses

Fields = Mapping[str, object]


def is_of_amazon(url: str) -> bool:
    """True for an HTTPS URL of SNS itself; a certificate from anywhere else proves nothing."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme == "https" and _HOST.fullmatch(parts.netloc) is not None


def is_signed(fields: Fields, topics: tuple[str, ...], fetch: Fetch, now: datetime) -> bool:
    """True if SNS signed it for one of these topics. Raises OSError if the certificate cannot be fetched."""
    names = _SIGNED.get(str(fields.get("Type")))
    url = str(fields.get("SigningCertURL"))
    if names is None or fields.get("TopicArn") not in topics or not is_of_amazon(url) or not url.endswith(".pem"):
        return False
    algorithm = _HASHES.get(str(fields.get("SignatureVersion")))
    signed = "".join(f"{name}\n{fields[name]}\n" for name in names if fields.get(name) is not None)
    try:
        signature = base64.b64decode(str(fields.get("Signature")), validate=True)
        certificate = x509.load_pem_x509_certificate(fetch(url))
        key = certificate.public_key()
        if algorithm is None or not isinstance(key, rsa.RSAPublicKey) or certificate.not_valid_after_utc < now:
            return False
        key.verify(signature, signed.encode(), padding.PKCS1v15(), algorithm)
    except (ValueError, InvalidSignature):
        return False
    return True


def confirmation_url(fields: Fields) -> str | None:
    """Return the URL that confirms a signed SubscriptionConfirmation; None for anything else."""
    url = str(fields.get("SubscribeURL"))
    return url if fields.get("Type") == "SubscriptionConfirmation" and is_of_amazon(url) else None

"""Notifications of Amazon SNS are accepted only with a signature of SNS and for a topic of the settings."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from digest.bounces.providers import sns

NOW = datetime(2026, 11, 23, tzinfo=UTC)
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sns.amazonaws.com")])


def certificate(until: datetime = NOW + timedelta(days=30)) -> bytes:
    built = x509.CertificateBuilder(NAME, NAME, KEY.public_key(), 1, NOW - timedelta(days=60), until)
    return built.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


PEM = certificate()


def signed(kind: str = "Notification", version: str = "2", **changes: object) -> dict[str, object]:
    fields: dict[str, object] = {
        "Type": kind,
        "MessageId": "m",
        "TopicArn": TOPIC,
        "Message": "{}",
        "Timestamp": "2026-11-23T00:00:00Z",
        "SignatureVersion": version,
        "SigningCertURL": URL,
    }
    if kind == "SubscriptionConfirmation":
        fields |= {"SubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription", "Token": "t"}
    names = sorted(name for name in fields if name not in ("SignatureVersion", "SigningCertURL"))
    text = "".join(f"{name}\n{fields[name]}\n" for name in names).encode()
    hashed = hashes.SHA1() if version == "1" else hashes.SHA256()
    fields["Signature"] = base64.b64encode(KEY.sign(text, padding.PKCS1v15(), hashed)).decode()
    return fields | changes


def is_signed(fields: dict[str, object], fetch: Callable[[str], bytes] = lambda _url: PEM) -> bool:
    return sns.is_signed(fields, (TOPIC,), fetch, NOW)


@pytest.mark.parametrize("kind", ["Notification", "SubscriptionConfirmation"])
@pytest.mark.parametrize("version", ["1", "2"])
def test_a_notification_signed_by_sns_is_accepted(kind: str, version: str) -> None:
    assert is_signed(signed(kind, version))


@pytest.mark.parametrize(
    "changes",
    [
        {"Message": '{"forged": 1}'},
        {"TopicArn": TOPIC + "2"},
        {"Signature": "AAAA"},
        {"Signature": "not base64"},
        {"SignatureVersion": "3"},
        {"Type": "UnsubscribeConfirmation"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem"},
        {"SigningCertURL": "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem"},
        {"SigningCertURL": "http://sns.eu-west-1.amazonaws.com/a.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem"},
        {"SigningCertURL": "https://s3.eu-west-1.amazonaws.com/bucket/a.pem"},
        {"SigningCertURL": "https://sns.eu-west-1.amazonaws.com:8443/a.pem"},
    ],
    ids=lambda changes: "=".join(next(iter(changes.items()))),
)
def test_a_notification_not_signed_by_sns_is_rejected(changes: dict[str, object]) -> None:
    assert not is_signed(signed(**changes))


def test_a_signed_notification_of_another_topic_is_rejected() -> None:
    assert not sns.is_signed(signed(), ("arn:aws:sns:eu-west-1:123456789012:other",), lambda _url: PEM, NOW)


def test_an_expired_or_invalid_certificate_proves_nothing() -> None:
    assert not is_signed(signed(), lambda _url: certificate(NOW - timedelta(days=1)))
    assert not is_signed(signed(), lambda _url: b"no certificate")


def test_a_subscription_is_confirmed_only_at_amazon() -> None:
    fields = signed("SubscriptionConfirmation")
    assert sns.confirmation_url(fields) == fields["SubscribeURL"]
    assert sns.confirmation_url(fields | {"SubscribeURL": "https://evil.example/"}) is None
    assert sns.confirmation_url(signed()) is None

"""Webhooks of email providers: signed ones are stored before they are answered, others change nothing."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Engine, select
from standardwebhooks import Webhook
from starlette.testclient import TestClient

from digest.database.engine import read_only
from digest.database.tables import bounce_counts
from digest.settings import Settings
from digest.web.app import create_app
from tests.bounces.reading.messages import dsn, failed
from tests.conftest import Clock
from tests.web.conftest import SECRET, START

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = base64.b64encode(
    KEY.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
).decode()
GENERIC = "whsec_" + base64.b64encode(b"x" * 32).decode()
STAMP = str(int(START.timestamp()))

POSTMARK = {
    "RecordType": "Bounce",
    "Type": "HardBounce",
    "Email": "ann@example.net",
    "Details": "550 5.1.1 no such user",
}
SENDGRID = [{"event": "bounce", "email": "ann@example.net", "status": "5.1.1", "reason": "550 5.1.1 user unknown"}]
MAILGUN = {
    "event": "failed",
    "severity": "permanent",
    "recipient": "ann@example.net",
    "delivery-status": {"code": 550, "message": "5.1.1 user unknown"},
}
REPORT = {"recipient": "ann@example.net", "status": "5.1.1", "diagnostic": "550 5.1.1 user unknown"}


@pytest.fixture
def provider(engine: Engine, clock: Clock) -> Iterator[TestClient]:
    clock.move_to(START)
    settings = Settings(
        secret_key=SECRET,
        postmark_password="p:w",
        sendgrid_key=PUBLIC,
        mailgun_key="mail",
        bounce_webhook_secret=GENERIC,
    )  # type: ignore[arg-type]
    with TestClient(create_app(engine, settings, lambda: None), base_url="http://127.0.0.1:8000") as client:
        yield client


def counted(engine: Engine) -> list[tuple[object, ...]]:
    with read_only(engine) as connection:
        columns = (bounce_counts.c.kind, bounce_counts.c.proof, bounce_counts.c.reports)
        return [tuple(row) for row in connection.execute(select(*columns))]


def postmark(password: str = "p:w") -> dict[str, object]:
    credentials = base64.b64encode(f"any:{password}".encode()).decode()
    return {"content": json.dumps(POSTMARK), "headers": {"Authorization": f"Basic {credentials}"}}


def sendgrid(stamp: str = STAMP, signed: str = STAMP) -> dict[str, object]:
    body = json.dumps(SENDGRID).encode()
    signature = base64.b64encode(KEY.sign(signed.encode() + body, ec.ECDSA(hashes.SHA256()))).decode()
    prefix = "X-Twilio-Email-Event-Webhook"
    return {"content": body, "headers": {f"{prefix}-Timestamp": stamp, f"{prefix}-Signature": signature}}


def mailgun(stamp: str = STAMP, key: str = "mail") -> dict[str, object]:
    digest = hmac.new(key.encode(), f"{stamp}t0".encode(), hashlib.sha256).hexdigest()
    signature = {"timestamp": stamp, "token": "t0", "signature": digest}
    return {"content": json.dumps({"signature": signature, "event-data": MAILGUN})}


def generic(body: str = json.dumps(REPORT), secret: str = GENERIC, kind: str = "application/json") -> dict[str, object]:
    signature = Webhook(secret).sign("m1", START, body)
    headers = {"webhook-id": "m1", "webhook-timestamp": STAMP, "webhook-signature": f"v1,{'A' * 44} {signature}"}
    return {"content": body, "headers": headers | {"Content-Type": kind}}


SIGNED = {"postmark": postmark(), "sendgrid": sendgrid(), "mailgun": mailgun(), "generic": generic()}
OLD = str(int(START.timestamp()) - 4 * 24 * 3600)
REFUSED = {
    "postmark": postmark("q"),
    "sendgrid": sendgrid(signed="1"),
    "mailgun": mailgun(key="other"),
    "generic": generic(secret="whsec_" + base64.b64encode(b"y" * 32).decode()),
}


@pytest.mark.parametrize("name", SIGNED)
def test_a_signed_webhook_is_stored_and_answered(provider: TestClient, engine: Engine, name: str) -> None:
    assert provider.post(f"/bounces/{name}", **SIGNED[name]).status_code == 204
    assert counted(engine) == [("hard", "unproved", 1)]


@pytest.mark.parametrize("name", REFUSED)
def test_a_webhook_that_its_provider_has_not_signed_changes_nothing(
    provider: TestClient, engine: Engine, name: str
) -> None:
    for wrong in (REFUSED[name], {"content": SIGNED[name]["content"]} if name != "mailgun" else {"content": "{}"}):
        assert provider.post(f"/bounces/{name}", **wrong).status_code == 403
    assert counted(engine) == []


@pytest.mark.parametrize(("name", "request_"), [("sendgrid", sendgrid(OLD, OLD)), ("mailgun", mailgun(OLD))])
def test_an_old_webhook_cannot_be_replayed(provider: TestClient, name: str, request_: dict[str, object]) -> None:
    assert provider.post(f"/bounces/{name}", **request_).status_code == 403


def test_a_provider_without_a_secret_in_the_settings_is_not_found(visit, provider: TestClient) -> None:
    assert [visit.browser.post(f"/bounces/{name}", **SIGNED[name]).status_code for name in SIGNED] == [404] * 4
    assert provider.post("/bounces/ses", content="{}").status_code == 404
    assert provider.post("/bounces/other", content="{}").status_code == 404


def test_a_program_may_post_a_whole_message(provider: TestClient, engine: Engine) -> None:
    message = dsn(failed("ann@example.net", "5.2.2", "552 5.2.2 Mailbox full")).decode()
    assert provider.post("/bounces/generic", **generic(message, kind="message/rfc822")).status_code == 204
    assert counted(engine) == [("soft", "unproved", 1)]


def test_characters_refused_by_a_database_do_not_make_a_provider_repeat_a_webhook(provider: TestClient) -> None:
    body = json.dumps(REPORT | {"diagnostic": "550 5.1.1 no\0 such \ud800 user", "recipient": "a\0@example.net"})
    assert provider.post("/bounces/generic", **generic(body)).status_code == 204


def test_a_body_of_a_megabyte_is_rejected_before_it_is_read(provider: TestClient) -> None:
    assert provider.post("/bounces/generic", content="x" * 1_000_000).status_code == 413

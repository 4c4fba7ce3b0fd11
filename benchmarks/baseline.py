"""The obvious way to send personal messages: EmailMessage, dkimpy and aiosmtplib's sendmail, one after another."""

import asyncio
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from time import monotonic

import dkim  # type: ignore[import-untyped]
from aiosmtplib import SMTP
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from benchmarks.world import address
from digest.run.processes import LOOPBACK

_COPIED = ("From", "Subject", "Date", "List-Id", "List-Unsubscribe-Post")
_SENDER = "bounces@example.org"


def baseline_per_second(port: int, example: bytes, key: bytes, messages: int = 200) -> float:
    """Messages a second, each built, signed with the RSA key (PEM) and sent to the server on `port`.

    The text is that of `example`, one of our messages, so the baseline does not have to render it.
    """
    return asyncio.run(_send_all(port, baseline_messages(example, key, messages), messages))


async def _send_all(port: int, addressed: Iterator[tuple[str, bytes]], messages: int) -> float:
    async with SMTP(hostname=LOOPBACK, port=port, start_tls=False) as client:
        began = monotonic()
        for recipient, message in addressed:
            await client.sendmail(_SENDER, [recipient], message)
        return messages / (monotonic() - began)


def baseline_messages(example: bytes, key: bytes | None, messages: int) -> Iterator[tuple[str, bytes]]:
    """Addresses and messages with the text of `example`, signed if there is a key (RSA, PEM)."""
    model = message_from_bytes(example, policy=policy.SMTP)
    assert isinstance(model, EmailMessage)
    text, html = model.get_body(("plain",)), model.get_body(("html",))
    assert text is not None
    assert html is not None
    plain_text, html_text = text.get_content(), html.get_content()
    for number in range(messages):
        message = EmailMessage(policy=policy.SMTP)
        for name in _COPIED:
            message[name] = str(model[name])
        message["To"] = address(number)
        message["Message-ID"] = f"<digest.{number:032}@example.org>"
        message["List-Unsubscribe"] = f"<https://papers.example.org/u/{number:032}>"
        message.set_content(plain_text)
        message.add_alternative(html_text, subtype="html")
        content = message.as_bytes()
        yield address(number), (dkim.sign(content, b"s1", b"example.org", key) if key else b"") + content


def rsa_key() -> bytes:
    """A new RSA key of 2048 bits, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    return key.private_bytes(*pem)

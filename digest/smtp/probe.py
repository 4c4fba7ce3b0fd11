"""Tests the connection and login of an SMTP server, a sender and a recipient, without sending a message."""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast

from digest.smtp.relay import Relay

if TYPE_CHECKING:  # slow to load, and every command imports this package
    from aiosmtplib import SMTP

_MAIL_REMEDY = "verify its domain with the provider of the server, or change DIGEST_BOUNCE_ADDRESS or DIGEST_MAIL_FROM"
_RCPT_REMEDY = "set user and password in DIGEST_SMTP_URL, or let the server relay for this machine"
_UNKNOWN_REMEDY = "check that this address exists (DIGEST_ALARM_TO, DIGEST_CONTACT or DIGEST_MAIL_FROM)"
_LATER = "try again later"


@dataclass(frozen=True, slots=True)
class Probe:
    """The first problem and its remedy, both empty if a message could be sent."""

    problem: str = ""
    remedy: str = ""
    certificate_until: datetime | None = None  # None without TLS

    @property
    def line(self) -> str:
        return f"{self.problem}; {self.remedy}" if self.remedy else self.problem


def probe(relay: Relay, seconds: float, mail_from: str = "", rcpt_to: str = "") -> Probe:
    """Connect and log in, then send MAIL FROM and RCPT TO for the sender and recipient if given, but never DATA.

    Takes up to `seconds` to connect, and as long again for the replies.
    """
    return asyncio.run(_probe(relay, seconds, mail_from, rcpt_to))


async def _probe(relay: Relay, seconds: float, mail_from: str, rcpt_to: str) -> Probe:
    from digest.smtp.opening import RelayState
    from digest.smtp.problems import NotConnected

    try:
        client = await RelayState(relay).open_client(seconds)
    except NotConnected as problem:
        return Probe(problem.problem, problem.remedy)
    try:
        until = _certificate_until(client)
        if not mail_from:
            return Probe(certificate_until=until)
        async with asyncio.timeout(seconds):
            return await _envelope(client, relay, mail_from, rcpt_to) or Probe(certificate_until=until)
    except TimeoutError:
        return Probe(f"{relay.host}:{relay.port}: no reply to MAIL FROM or RCPT TO", _LATER)
    finally:
        if transport := cast(asyncio.Transport | None, client.transport):
            transport.write(b"QUIT\r\n")
            transport.abort()  # close() would wait for the end of TLS, but the loop ends now


async def _envelope(client: "SMTP", relay: Relay, mail_from: str, rcpt_to: str) -> Probe | None:
    from aiosmtplib import SMTPException, SMTPRecipientRefused, SMTPResponseException, SMTPSenderRefused

    server = f"{relay.host}:{relay.port}"
    try:
        await client.mail(mail_from)
        await client.rcpt(rcpt_to)
        await client.rset()
    except SMTPSenderRefused as refusal:
        remedy = _MAIL_REMEDY if refusal.code >= 500 else _LATER
        text = f"{server} rejects the sender {mail_from}: {refusal.code} {refusal.message}"
        return Probe(_on_one_line(text), remedy)
    except SMTPRecipientRefused as refusal:
        is_unknown = refusal.message.startswith(("5.1.", "5.2.")) or "unknown" in refusal.message.lower()
        remedy = _LATER if refusal.code < 500 else _UNKNOWN_REMEDY if is_unknown else _RCPT_REMEDY
        text = f"{server} rejects the recipient {rcpt_to}: {refusal.code} {refusal.message}"
        return Probe(_on_one_line(text), remedy)
    except SMTPResponseException:
        return None  # reply to RSET: the envelope was accepted
    except (SMTPException, OSError) as error:
        return Probe(f"{server}: the connection ended at MAIL FROM or RCPT TO ({error})", _LATER)
    return None


def _certificate_until(client: "SMTP") -> datetime | None:
    certificate = client.transport.get_extra_info("peercert") if client.transport else None
    if not certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


def _on_one_line(text: str) -> str:
    return " ".join(text.split())

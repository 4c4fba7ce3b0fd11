"""Checks the mail servers: connection, certificate, login, sender, recipient, and the name in the greeting."""

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parseaddr

from digest.mail.compose.dkim import first_of_each_kind, load_signer
from digest.monitoring.doctor.finding import Finding
from digest.monitoring.doctor.records import envelope_sender, is_full_name, spf_domain_of
from digest.settings import Settings
from digest.smtp import Relay, is_plain_address, probe

_SECONDS = 6.0  # to connect, and again for MAIL FROM and RCPT TO
_RENEWED_BEFORE = timedelta(days=14)
_SES = "amazonses.com"


def relay_findings(relay: Relay, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Try one mail server without sending a message."""
    what = f"mail server {relay.host}:{relay.port}"
    tried = probe(relay, _SECONDS, envelope_sender(settings), _recipient(settings))
    if tried.problem:
        advice = f"{tried.remedy[:1].upper()}{tried.remedy[1:]}." if tried.remedy else "Check DIGEST_SMTP_URL."
        state = tried.problem.removeprefix(f"{relay.host}:{relay.port}").lstrip(": ")
        yield Finding(what, False, state, advice, blocks=True)
        return
    until = tried.certificate_until
    if until is not None and until - now < _RENEWED_BEFORE:
        state = f"its certificate expires on {until:%Y-%m-%d}"
        yield Finding(what, False, state, "The server's operator has to renew it; after that day no email goes out.")
        return
    login = "the login, " if relay.username else ""
    yield Finding(what, True, f"accepts {login}the sender {envelope_sender(settings)} and a recipient")


def relay_settings(settings: Settings) -> Iterator[Finding]:
    """Yield the findings that need no connection."""
    if not settings.relays:
        advice = "Set DIGEST_SMTP_URL, e.g. smtp+starttls://user:password@host:587."
        yield Finding("mail server", False, "not set", advice, blocks=True)
        return
    name = settings.relays[0].ehlo_name or socket.gethostname()
    if not is_full_name(name) and not name.startswith("["):
        state = f"this machine greets mail servers as {name}, and many reject a name without a dot"
        yield Finding("EHLO name", False, state, "Set DIGEST_SMTP_EHLO_NAME, such as mail.example.org.")
    else:
        yield Finding("EHLO name", True, name)
    yield from _two_signatures(settings)


def _recipient(settings: Settings) -> str:
    """Return an address of the operator; nothing is sent to it."""
    candidates = (*settings.alarm_to, settings.contact, parseaddr(settings.mail_from)[1])
    return next(address for address in candidates if "@" in address and is_plain_address(address))


def _two_signatures(settings: Settings) -> Iterator[Finding]:
    ses = [relay for relay in settings.relays if spf_domain_of(relay) == _SES]
    if not ses or not settings.dkim_keys:
        return
    if len(_kinds(settings)) > 1:
        state = "messages get two DKIM signatures (RSA and Ed25519), which Amazon SES refuses (554 Duplicate header)"
        advice = "Leave one key in DIGEST_DKIM_KEYS, or none: then SES signs (Easy DKIM)."
        yield Finding("DKIM and Amazon SES", False, state, advice, blocks=True)
        return
    state = "messages are signed here, and Amazon SES refuses them if it signs for the same domain too (Easy DKIM)"
    advice = "Empty DIGEST_DKIM_KEYS and let SES sign; or turn Easy DKIM off for this domain in the console of SES."
    yield Finding("DKIM and Amazon SES", False, state, advice)


def _kinds(settings: Settings) -> list[str]:
    signers = []
    for selector, file in settings.dkim_keys.items():
        try:
            signers.append(load_signer(selector, file.read_bytes()))
        except (OSError, ValueError):
            continue  # reported by the check of the key
    return [signer.kind for signer in first_of_each_kind(signers)]

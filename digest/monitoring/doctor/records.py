"""Derives the DNS records that an installation needs from its settings. Pure, except for reading the DKIM keys."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parseaddr
from ipaddress import ip_address

from digest.mail.compose.dkim import dns_record, load_signer
from digest.settings import Settings
from digest.smtp import Relay
from digest.text import domain_of

_LONGEST_STRING = 255  # bytes of a string in a TXT record (RFC 1035 §3.3)
_TTL = 3600

# The domain to include in the SPF record, by the end of the name of a provider's mail server.
_PROVIDERS = {
    "amazonaws.com": "amazonses.com",
    "brevo.com": "spf.brevo.com",
    "gmail.com": "_spf.google.com",
    "mailersend.net": "_spf.mailersend.net",
    "mailgun.org": "mailgun.org",
    "mailjet.com": "spf.mailjet.com",
    "messagingengine.com": "spf.messagingengine.com",
    "fastmail.com": "spf.messagingengine.com",
    "office365.com": "spf.protection.outlook.com",
    "postmarkapp.com": "spf.mtasv.net",
    "sendgrid.net": "sendgrid.net",
    "smtp2go.com": "spf.smtp2go.com",
}


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A record to publish. `value`: as entered in the form of a DNS provider; `note`: further advice."""

    name: str
    kind: str  # TXT or MX
    value: str
    note: str = ""

    def zone_line(self) -> str:
        """Return the record for a zone file (RFC 1035 §5.1), with long texts in strings of 255 bytes."""
        value = self.value
        if self.kind == "TXT":
            parts = [value[at : at + _LONGEST_STRING] for at in range(0, len(value), _LONGEST_STRING)]
            value = " ".join(f'"{part}"' for part in parts)
        else:
            value += "."
        return f"{self.name}. {_TTL} IN {self.kind} {value}"


def wanted_records(settings: Settings) -> list[DnsRecord]:
    """Return all records for the senders' domains. Raises ValueError or OSError for an unusable DKIM key."""
    return [*_spf(settings), *_dkim(settings), *dmarc_records(settings), *_mail_exchanger(settings)]


def author_domains(settings: Settings) -> list[str]:
    """Return the domains in From, which DKIM and DMARC are about."""
    senders = (settings.mail_from, settings.transactional_from)
    return sorted({domain_of(sender) for sender in senders if sender})


def envelope_sender(settings: Settings) -> str:
    """Return the address in MAIL FROM: SPF is about its domain, and undeliverable messages return to it."""
    return parseaddr(settings.bounce_address or settings.mail_from)[1]


def spf_domain_of(relay: Relay) -> str:
    """Return the domain that the SPF record has to include for a known provider of mail servers; otherwise ""."""
    ends = (include for end, include in _PROVIDERS.items() if f".{relay.host.lower()}".endswith(f".{end}"))
    return next(ends, "")


def spf_terms(settings: Settings) -> str:
    """Return the terms of the SPF record for this installation."""
    addresses = [f"ip{6 if ':' in address else 4}:{address}" for address in settings.sending_addresses]
    if addresses:
        return " ".join(addresses)
    terms = [_spf_term(relay, settings) for relay in settings.relays]
    return " ".join(dict.fromkeys(terms))


def _spf_term(relay: Relay, settings: Settings) -> str:
    if include := spf_domain_of(relay):
        return f"include:{include}"
    if relay.is_local:
        return f"a:{_own_name(settings)}"
    try:
        return f"ip{ip_address(relay.host).version}:{relay.host}"
    except ValueError:
        return f"a:{relay.host}"


def _own_name(settings: Settings) -> str:
    """Return the full name of the mail server on this machine; a placeholder if it is unknown."""
    names = [relay.ehlo_name for relay in settings.relays if relay.is_local and is_full_name(relay.ehlo_name)]
    return next(iter(names), f"mail.{domain_of(envelope_sender(settings))}")


def is_full_name(name: str) -> bool:
    """True for a name with a dot that is not an address."""
    return re.fullmatch(r"(?:[A-Za-z0-9-]+\.)+(?!\d+$)[A-Za-z0-9-]+", name) is not None


def _spf(settings: Settings) -> Iterator[DnsRecord]:
    terms, domain = spf_terms(settings), domain_of(envelope_sender(settings))
    if terms:
        note = f"If {domain} has an SPF record already, add {terms} to it in front of its last term."
        yield DnsRecord(domain, "TXT", f"v=spf1 {terms} ~all", note)


def _dkim(settings: Settings) -> Iterator[DnsRecord]:
    for selector, file in settings.dkim_keys.items():
        value = dns_record(load_signer(selector, file.read_bytes()))
        for domain in author_domains(settings):
            yield DnsRecord(f"{selector}._domainkey.{domain}", "TXT", value)


def dmarc_records(settings: Settings) -> Iterator[DnsRecord]:
    for domain in author_domains(settings):
        value = f"v=DMARC1; p=none; rua=mailto:{envelope_sender(settings)}"
        note = "Once the reports show that all your email passes, change p=none to p=quarantine."
        yield DnsRecord(f"_dmarc.{domain}", "TXT", value, note)


def _mail_exchanger(settings: Settings) -> Iterator[DnsRecord]:
    domain = domain_of(envelope_sender(settings))
    note = f"Name the server that receives email for {domain}; if {domain} has an MX record, leave that as it is."
    yield DnsRecord(domain, "MX", f"10 {_own_name(settings)}", note)

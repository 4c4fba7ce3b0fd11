"""The DNS records that an installation needs, as its settings imply them. Pure, except for reading the DKIM keys."""

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parseaddr

from digest.mail.compose.dkim import dns_record, load_signer
from digest.settings import Settings
from digest.smtp import Relay
from digest.text import domain_of

_LONGEST_STRING = 255  # bytes of a string in a TXT record (RFC 1035 §3.3)
_TTL = 3600

# The end of a mail server's name, and the domain that a sender of its provider includes in the SPF record.
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
    """A record to publish. `value`: as a form of a DNS provider takes it; `note`: what else to consider."""

    name: str
    kind: str  # TXT or MX
    value: str
    note: str = ""

    def zone_line(self) -> str:
        """The record in a zone file (RFC 1035 §5.1), a long text in strings of 255 bytes."""
        value = self.value
        if self.kind == "TXT":
            parts = [value[at : at + _LONGEST_STRING] for at in range(0, len(value), _LONGEST_STRING)]
            value = " ".join(f'"{part}"' for part in parts)
        else:
            value += "."
        return f"{self.name}. {_TTL} IN {self.kind} {value}"


def wanted_records(settings: Settings) -> list[DnsRecord]:
    """Every record for the domains of the senders. Raises ValueError or OSError for an unusable DKIM key."""
    return [*_spf(settings), *_dkim(settings), *dmarc_records(settings), *_mail_exchanger(settings)]


def author_domains(settings: Settings) -> list[str]:
    """The domains in From, which DKIM and DMARC are about."""
    senders = (settings.mail_from, settings.transactional_from)
    return sorted({domain_of(sender) for sender in senders if sender})


def envelope_sender(settings: Settings) -> str:
    """The address in MAIL FROM: SPF is about its domain, and what cannot be delivered returns to it."""
    return parseaddr(settings.bounce_address or settings.mail_from)[1]


def spf_domain_of(relay: Relay) -> str:
    """The domain that an SPF record has to include for a known provider of mail servers; otherwise empty."""
    ends = (include for end, include in _PROVIDERS.items() if f".{relay.host.lower()}".endswith(f".{end}"))
    return next(ends, "")


def spf_terms(settings: Settings) -> str:
    """The part of the SPF record that is about this installation."""
    addresses = [f"ip{6 if ':' in address else 4}:{address}" for address in settings.sending_addresses]
    if addresses:
        return " ".join(addresses)
    terms = [_spf_term(relay) for relay in settings.relays]
    return " ".join(dict.fromkeys(terms))


def _spf_term(relay: Relay) -> str:
    if include := spf_domain_of(relay):
        return f"include:{include}"
    host = relay.ehlo_name if relay.is_local else relay.host
    return f"a:{host}"


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
    host = next((relay.ehlo_name for relay in settings.relays if relay.is_local), "") or f"mail.{domain}"
    note = f"The server that receives email for {domain}; leave it as it is if {domain} has an MX record."
    yield DnsRecord(domain, "MX", f"10 {host}", note)

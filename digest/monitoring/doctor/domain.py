"""Checks the DNS: SPF, DKIM, DMARC, the MX of the bounce address, and the PTR of the sending addresses."""

import base64
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address

from digest.mail.compose.dkim import dns_record, load_signer
from digest.monitoring.doctor.finding import Finding
from digest.monitoring.doctor.lookups import Lookups, NoAnswer
from digest.monitoring.doctor.records import (
    author_domains,
    dmarc_records,
    envelope_sender,
    spf_domain_of,
    spf_terms,
)
from digest.monitoring.doctor.spf import NOBODYS_ADDRESS, SpfCheck, SpfResult, spf_records
from digest.settings import Settings
from digest.text import domain_of

_A_PUBLIC_ADDRESS = ("192.0.2.1", 9)  # nothing is sent there
_DNS_ADVICE = "Check this machine's network, or set DIGEST_DNS_SERVER; then run digest doctor again."


def dns_findings(settings: Settings) -> Iterator[Finding]:
    """Yield every finding; none while no mail server is set."""
    if not settings.relays:
        return
    try:
        dns = Lookups(settings.dns_server)
        addresses = _sending_addresses(dns, settings)
        yield from _spf(dns, settings, addresses)
        for selector in settings.dkim_keys:
            yield from _dkim(dns, settings, selector)
        for domain in author_domains(settings):
            yield _dmarc(dns, settings, domain)
        yield _mail_exchanger(dns, domain_of(envelope_sender(settings)))
        yield from (_pointer(dns, address) for address in addresses)
    except NoAnswer as problem:
        yield Finding("DNS", False, str(problem), _DNS_ADVICE)


def _sending_addresses(dns: Lookups, settings: Settings) -> list[str]:
    """Return the addresses that receivers see, if they can be known: those of a provider cannot."""
    if settings.sending_addresses:
        return list(settings.sending_addresses)
    addresses: list[str] = []
    for relay in settings.relays:
        if relay.is_local:
            addresses += _own_public_address()
        elif not spf_domain_of(relay):
            with suppress(ValueError):
                addresses.append(str(ip_address(relay.host)))
                continue
            addresses += dns.addresses(relay.host)
    return list(dict.fromkeys(addresses))


def _own_public_address() -> list[str]:
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(_A_PUBLIC_ADDRESS)  # only chooses a route
        address = str(probe.getsockname()[0])
        return [address] if ip_address(address).is_global else []
    return []


# --- SPF ---


def _spf(dns: Lookups, settings: Settings, addresses: list[str]) -> Iterator[Finding]:
    domain = domain_of(envelope_sender(settings))
    example = f'publish TXT {domain}: "v=spf1 {spf_terms(settings)} ~all"'
    if not spf_records(dns, domain):
        yield Finding("SPF", False, f"{domain} has no SPF record", f"In the DNS, {example}")
        return
    includes = sorted({include for relay in settings.relays if (include := spf_domain_of(relay))})
    if not includes and not addresses:
        state = "not checked: the addresses from which receivers get email are unknown"
        yield Finding("SPF", False, state, "Set DIGEST_SENDING_ADDRESSES.")
        return
    problems = [*_not_included(dns, domain, includes), *_not_allowed(dns, domain, addresses)]
    problems += [] if problems else _allows_everybody(dns, domain)
    yield from (Finding("SPF", False, state, advice) for state, advice in dict.fromkeys(problems))
    if not problems:
        yield Finding("SPF", True, f"{domain} lets {', '.join([*includes, *addresses])} send")


def _not_included(dns: Lookups, domain: str, includes: list[str]) -> Iterator[tuple[str, str]]:
    for include in includes:
        check = SpfCheck(dns, NOBODYS_ADDRESS)
        if check.run(domain) is SpfResult.PERMERROR:
            yield check.problem, f"Correct the SPF record of {domain}; receivers ignore it as it is."
        elif include not in check.included:
            state = f"the SPF record of {domain} does not include {include}, through which you send"
            yield state, f"Add include:{include} to TXT {domain}, in front of its last term."


def _not_allowed(dns: Lookups, domain: str, addresses: list[str]) -> Iterator[tuple[str, str]]:
    for address in addresses:
        check = SpfCheck(dns, address)
        result = check.run(domain)
        if result is SpfResult.PERMERROR:
            yield check.problem, f"Correct the SPF record of {domain}; receivers ignore it as it is."
        elif result is not SpfResult.PASS:
            state = f"the SPF record of {domain} does not allow {address}, from which you send ({result})"
            term = f"ip{6 if ':' in address else 4}:{address}"
            yield state, f"Add {term} to TXT {domain}, in front of its last term; or set DIGEST_SENDING_ADDRESSES."


def _allows_everybody(dns: Lookups, domain: str) -> list[tuple[str, str]]:
    if SpfCheck(dns, NOBODYS_ADDRESS).run(domain) is not SpfResult.PASS:
        return []
    return [(f"the SPF record of {domain} lets every address send", f"End TXT {domain} with ~all or -all.")]


# --- DKIM ---


def _dkim(dns: Lookups, settings: Settings, selector: str) -> Iterator[Finding]:
    try:
        expected = dns_record(load_signer(selector, settings.dkim_keys[selector].read_bytes()))
    except (OSError, ValueError):
        return  # reported by the check of the key
    for domain in author_domains(settings):
        name = f"{selector}._domainkey.{domain}"
        published = [record for record in dns.texts(name) if "p=" in record]
        what = f"DKIM record {selector}"
        advice = f"In the DNS, publish TXT {name}: {expected}"
        if not published:
            yield Finding(what, False, f"{name} has no DKIM record", advice, blocks=True)
        elif len(published) > 1:
            state = f"{name} has {len(published)} records, and receivers may take any of them"
            yield Finding(what, False, state, f"Keep one: TXT {name}: {expected}", blocks=True)
        elif _key_in(published[0]) != _key_in(expected):
            state = f"{name} has another key than {settings.dkim_keys[selector]}"
            yield Finding(what, False, state, advice, blocks=True)
        elif "y" in _tag(published[0], "t").split(":"):
            state = f"{name} says t=y, so receivers treat the signature as a test"
            yield Finding(what, False, state, f"Remove t=y from TXT {name}.")
        else:
            yield Finding(what, True, f"{name} has the key of {settings.dkim_keys[selector]}")


def _key_in(record: str) -> bytes:
    try:
        return base64.b64decode("".join(_tag(record, "p").split()), validate=True)
    except ValueError:
        return b"unreadable"


def _tag(record: str, name: str) -> str:
    match = re.search(rf"(?:^|;)\s*{name}\s*=([^;]*)", record)
    return match[1].strip() if match else ""


# --- DMARC, MX, PTR ---


def _dmarc(dns: Lookups, settings: Settings, domain: str) -> Finding:
    what = "DMARC" if len(author_domains(settings)) == 1 else f"DMARC {domain}"
    labels = domain.split(".")
    for name in (".".join(["_dmarc", *labels[at:]]) for at in range(max(1, len(labels) - 1))):
        records = [text for text in dns.texts(name) if text.replace(" ", "").lower().startswith("v=dmarc1")]
        if len(records) > 1:
            return Finding(what, False, f"{name} has {len(records)} records, so receivers ignore them", "Keep one.")
        if records and not (policy := _tag(records[0], "p").lower()):
            return Finding(what, False, f"{name} has no policy (p=)", f"Write TXT {name}: v=DMARC1; p=none; …")
        if records:
            return Finding(what, True, f"{name} has the policy {policy}")
    wanted = next(record for record in dmarc_records(settings) if record.name == f"_dmarc.{domain}")
    advice = f"In the DNS, publish TXT {wanted.name}: {wanted.value}"
    return Finding(what, False, f"{domain} has no DMARC record; Gmail and Yahoo require one of bulk senders", advice)


def _mail_exchanger(dns: Lookups, domain: str) -> Finding:
    what = "bounce address"
    advice = f"Publish MX {domain} with the server that receives email for it, or set DIGEST_BOUNCE_ADDRESS."
    hosts = dns.mail_hosts(domain)
    if not hosts:
        return Finding(what, False, f"{domain} has no MX record, so delivery failure reports are lost", advice)
    if hosts == [""]:
        return Finding(what, False, f"the MX record of {domain} says that it takes no email", advice)
    if not any(dns.addresses(host) for host in hosts if host):
        return Finding(what, False, f"{hosts[0]}, the MX of {domain}, has no address", f"Publish A {hosts[0]}.")
    return Finding(what, True, f"email for {domain} goes to {hosts[0]}")


def _pointer(dns: Lookups, address: str) -> Finding:
    what = f"PTR {address}"
    names = dns.names_of(address)
    if not names:
        advice = f"Ask the provider of {address} to set its reverse DNS to the name of the mail server."
        return Finding(what, False, f"{address} has no PTR record; Gmail and others reject its email", advice)
    if not any(address in dns.addresses(name) for name in names):
        state = f"{address} has the PTR record {names[0]}, which does not lead back to it"
        return Finding(what, False, state, f"Publish {'AAAA' if ':' in address else 'A'} {names[0]}: {address}")
    return Finding(what, True, names[0])

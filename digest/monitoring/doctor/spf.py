"""Evaluates SPF for an address and a domain: the part of RFC 7208 that needs no macros."""

from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address, ip_network

from digest.monitoring.doctor.lookups import Lookups

_MOST_LOOKUPS = 10  # RFC 7208 §4.6.4
_MOST_EMPTY = 2
NOBODYS_ADDRESS = "192.0.2.1"  # for documentation: only a record that allows everyone passes it


class SpfResult(StrEnum):
    """Results of RFC 7208 §2.6; NoAnswer is raised instead of `temperror`."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    PERMERROR = "permerror"


_QUALIFIERS = {"+": SpfResult.PASS, "-": SpfResult.FAIL, "~": SpfResult.SOFTFAIL, "?": SpfResult.NEUTRAL}


class SpfError(Exception):
    """The record is wrong; the message explains why."""


@dataclass(slots=True)
class SpfCheck:
    """The check of one address, and its observations."""

    dns: Lookups
    address: str
    included: set[str] = field(default_factory=set)  # domains, including those of redirect=
    problem: str = ""  # problems of the record
    _lookups: int = 0
    _empty: int = 0

    def run(self, domain: str) -> SpfResult:
        """Return the result for email from `domain`. Raises NoAnswer."""
        try:
            return self._check(domain.lower())
        except SpfError as problem:
            self.problem = str(problem)
            return SpfResult.PERMERROR

    def _check(self, domain: str) -> SpfResult:
        records = spf_records(self.dns, domain)
        if len(records) > 1:
            raise SpfError(f"{domain} has {len(records)} SPF records, and only one is allowed")
        if not records:
            return SpfResult.NONE
        redirect = ""
        for term in records[0].split()[1:]:
            name, equals, value = term.partition("=")
            if equals and name.isidentifier():
                redirect = value if name.lower() == "redirect" else redirect
            elif self._matches(term.lstrip("+-~?"), domain):
                return _QUALIFIERS.get(term[0], SpfResult.PASS)
        if not redirect:
            return SpfResult.NEUTRAL
        self._count(redirect)
        self.included.add(redirect.lower())
        result = self._check(redirect.lower())
        if result is SpfResult.NONE:
            raise SpfError(f"{domain} redirects to {redirect}, which has no SPF record")
        return result

    def _matches(self, mechanism: str, domain: str) -> bool:
        name, _, value = mechanism.partition(":")
        name, _, length = name.partition("/")
        value, _, length = value.partition("/") if value and name.lower() in ("a", "mx") else (value, "", length)
        match name.lower():
            case "all":
                return True
            case "ip4" | "ip6":
                return self._is_within(value, mechanism)
            case "include":
                return self._includes(value, domain)
            case "a" | "mx" | "exists":
                self._count(mechanism)
                return self._names_us(name.lower(), value or domain, length)
            case "ptr":  # RFC 7208 §5.5: should not be used, and is not evaluated here
                self._count(mechanism)
                return False
        raise SpfError(f"{domain} has {mechanism!r} in its SPF record, which has no meaning")

    def _includes(self, target: str, domain: str) -> bool:
        self._count(target)
        self.included.add(target.lower())
        result = self._check(target.lower())
        if result is SpfResult.NONE:
            raise SpfError(f"{domain} includes {target}, which has no SPF record")
        return result is SpfResult.PASS

    def _names_us(self, kind: str, target: str, length: str) -> bool:
        if "%" in target:  # a macro
            return False
        hosts = self.dns.mail_hosts(target)[:10] if kind == "mx" else [target]
        addresses = [address for host in hosts if host for address in self.dns.addresses(host)]
        if not addresses:
            self._empty += 1
            if self._empty > _MOST_EMPTY:
                raise SpfError(f"too many names in the SPF record do not exist, the last of them {target}")
        if kind == "exists":
            return bool(addresses)
        four, _, six = length.partition("//") if not length.startswith("/") else ("", "", length[1:])
        return any(
            self._is_within(f"{address}/{(six if ':' in address else four) or (128 if ':' in address else 32)}", target)
            for address in addresses
        )

    def _is_within(self, network: str, mechanism: str) -> bool:
        try:
            return ip_address(self.address) in ip_network(network, strict=False)
        except ValueError:
            raise SpfError(f"{mechanism!r} in the SPF record is not an address or a network") from None

    def _count(self, name: str) -> None:
        self._lookups += 1
        if self._lookups > _MOST_LOOKUPS:
            raise SpfError(f"the SPF record needs more than {_MOST_LOOKUPS} lookups; the one for {name} is too many")


def spf_records(dns: Lookups, domain: str) -> list[str]:
    return [text for text in dns.texts(domain) if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]

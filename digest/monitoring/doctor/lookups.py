"""Looks up DNS records, with a time limit for all lookups together."""

import time
from collections.abc import Callable

import dns.resolver
from dns.exception import DNSException
from dns.name import Name, from_text
from dns.rdatatype import RdataType
from dns.reversename import from_address

from digest.settings.monitoring import split_dns_server

_EACH_SECONDS = 3.0


class NoAnswer(Exception):
    """The DNS did not answer; `name` was looked up."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the DNS has no answer for {name} ({reason})")
        self.name = name


class Lookups:
    """Looks names up at `server`, or at this machine's own. Raises NoAnswer when it fails, or after `seconds`.

    A name or a record that does not exist is an empty answer.
    """

    def __init__(self, server: str = "", seconds: float = 10, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = clock() + seconds
        try:
            self._resolver = dns.resolver.Resolver(configure=not server)
        except dns.resolver.NoResolverConfiguration:
            raise NoAnswer("any name", "this machine has no DNS server; set DIGEST_DNS_SERVER") from None
        if address := split_dns_server(server):
            self._resolver.nameservers = [address[0]]
            self._resolver.port = address[1]
        self._resolver.timeout = _EACH_SECONDS / 2  # then it retries

    def texts(self, domain: str) -> list[str]:
        """Return the TXT records, each joined into one text."""
        return [b"".join(record.strings).decode("utf-8", "replace") for record in self._records(domain, RdataType.TXT)]

    def addresses(self, domain: str) -> list[str]:
        """Return the IPv4 and IPv6 addresses."""
        kinds = (RdataType.A, RdataType.AAAA)
        return [record.address for kind in kinds for record in self._records(domain, kind)]

    def mail_hosts(self, domain: str) -> list[str]:
        """Return the hosts of the MX records, best first; "" is the null MX of RFC 7505."""
        records = sorted(self._records(domain, RdataType.MX), key=lambda record: record.preference)
        return [record.exchange.to_text(omit_final_dot=True).lower().removesuffix(".") for record in records]

    def names_of(self, address: str) -> list[str]:
        """Return the names in the PTR records of an address."""
        records = self._records(from_address(address), RdataType.PTR)
        return [record.target.to_text(omit_final_dot=True).lower() for record in records]

    # in dnspython, each type of record has other attributes
    def _records(self, domain: str | Name, kind: RdataType) -> "list":  # type: ignore[type-arg]
        seconds = min(_EACH_SECONDS, self._until - self._clock())
        if seconds <= 0:
            raise NoAnswer(str(domain), "it is too slow")
        try:
            name = domain if isinstance(domain, Name) else from_text(domain)
            return list(self._resolver.resolve(name, kind, lifetime=seconds))
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except dns.resolver.LifetimeTimeout:
            raise NoAnswer(str(domain), "it did not reply in time") from None
        except (DNSException, OSError) as error:
            raise NoAnswer(str(domain), type(error).__name__) from None

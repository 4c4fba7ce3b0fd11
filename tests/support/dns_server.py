"""A DNS server on a port of this machine, with the records that a test gives it."""

import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from digest.run.processes import LOOPBACK

Records = Mapping[tuple[str, str], list[str]]  # name and type → values as in a zone file


def txt(text: str) -> str:
    """A text as the value of a TXT record, in strings of up to 255 bytes."""
    return " ".join(f'"{text[at : at + 255]}"' for at in range(0, len(text), 255)) or '""'


@dataclass
class DnsServer:
    """Answers over UDP from `records`. Names in `broken` fail; with `silent`, nothing is answered."""

    records: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)
    silent: bool = False

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((LOOPBACK, 0))
        self._thread = threading.Thread(target=self._serve, name="dns-server", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wake:
            wake.sendto(b"", self._socket.getsockname())
        self._thread.join(10)
        self._socket.close()

    @property
    def address(self) -> str:
        """For DIGEST_DNS_SERVER."""
        return f"{LOOPBACK}:{self._socket.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            wire, client = self._socket.recvfrom(65535)
            if not wire:
                return
            if not self.silent:
                self._socket.sendto(self._answer(dns.message.from_wire(wire)).to_wire(), client)

    def _answer(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(question.rdtype)
        reply = dns.message.make_response(query)
        reply.flags |= dns.flags.RA
        if name in self.broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
        elif values := self.records.get((name, kind)):
            reply.answer.append(dns.rrset.from_text(question.name, 60, dns.rdataclass.IN, kind, *values))
        elif name not in {known for known, _ in self.records}:
            reply.set_rcode(dns.rcode.NXDOMAIN)
        return reply

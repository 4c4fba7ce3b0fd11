"""A mail server in memory, and its own log, which is what the judge believes."""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from benchmarks.simulate.faults import AMBIGUOUS, FaultScript
from benchmarks.simulate.installation import KEYS
from benchmarks.simulate.loop import SimulatedLoop
from benchmarks.simulate.network import SimulatedTransport
from benchmarks.simulate.world import Process, World
from digest.mail.return_paths import AddressPurpose, number_of, token_in

_IDLE_SECONDS = 300.0  # RFC 5321 §4.5.3.2.7
_KERNEL_BYTES = (4_096, 65_536, 1_000_000)
TLS_PORT = 587
_GREETING = b"220 mx.example.net ESMTP\r\n"


@dataclass(slots=True)
class Copy:
    """A message whose final dot the server has read."""

    delivery_id: int
    sender: str  # the process that sent it
    mail_at: float  # when the client wrote MAIL
    at: float
    reverse_path: str
    recipient: str
    message_id: str
    sha256: str
    head: bytes
    is_accepted: bool
    is_doubtful: bool = False  # the server kept the reply from the client
    is_known: bool = False  # the client has processed the reply, or noted it in its journal


@dataclass(slots=True)
class ServerLog:
    """What reached the server."""

    copies: list[Copy] = field(default_factory=list)
    mails: int = 0
    in_clear: int = 0  # MAIL of a client that had asked for TLS
    refused: set[str] = field(default_factory=set)  # addresses that got a 5yz
    bad_addresses: set[str] = field(default_factory=set)  # of these, said not to exist, or refused again and again


class MailServer:
    """Accepts connections and messages, apart from what its faults say."""

    def __init__(self, world: World, faults: FaultScript, seed: int) -> None:
        self.world, self.faults, self.rng = world, faults, Random(seed)  # noqa: S311 - a simulation
        self.log = ServerLog()
        self.pipelining = self.rng.random() < 0.8
        self.per_connection = self.rng.choice((0, 0, 0, 3, 7))  # messages; 0: no limit
        self.is_away = False  # an outage: nothing answers

    async def connect(
        self, loop: SimulatedLoop, protocol_factory: Callable[[], asyncio.Protocol], _host: str, port: int
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """Open a connection for a simulated process."""
        await asyncio.sleep(self.rng.uniform(0.001, 0.05))
        fault = "refused" if self.is_away else self.faults.at("connect")
        if fault == "refused":
            raise ConnectionRefusedError(111, "Connection refused")
        if fault == "no route":
            raise OSError(113, "No route to host")
        protocol = protocol_factory()
        transport = SimulatedTransport(loop.process, loop, protocol, self.rng.choice(_KERNEL_BYTES))
        session = ServerSession(self, transport, loop.process, port == TLS_PORT)
        transport.server = session
        protocol.connection_made(transport)
        session.greet(fault)
        return transport, protocol


class ServerSession:
    """One connection of the server."""

    def __init__(self, server: MailServer, transport: SimulatedTransport, process: Process, wants_tls: bool) -> None:
        self._server, self._world, self._transport, self._process = server, server.world, transport, process
        self._wants_tls = wants_tls
        self._buffer = bytearray()
        self._is_open, self._in_data = True, False
        self._mail_at = 0.0
        self._reverse_path = self._recipient = ""
        self._taken = 0
        self._busy_at = self._world.elapsed
        self._cut_body = False
        self._watch()

    # --- beginning ---

    def greet(self, fault: str) -> None:
        match fault:
            case "421" | "554":
                self._reply(f"{fault} mx.example.net not now")
                self._close()
            case "garbage":
                self._send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            case "slow greeting":
                self._send(_GREETING, after=30.0)
            case "silent":
                pass
            case _:
                self._send(_GREETING)

    # --- bytes of the client ---

    def received(self, data: bytes, written_at: float) -> None:
        if not self._is_open:
            return
        self._busy_at = self._world.elapsed
        self._buffer += data
        while self._is_open:
            if self._in_data:
                if not self._content():
                    return
            else:
                line, end, rest = bytes(self._buffer).partition(b"\r\n")
                if not end:
                    return
                self._buffer[:] = rest
                self._command(line.decode("ascii", "replace"), written_at)

    def ended(self) -> None:
        """The client has closed the connection."""
        self._is_open = False

    # --- commands ---

    def _command(self, line: str, written_at: float) -> None:
        verb, _, rest = line.partition(" ")
        self._world.note(f"server: {self._process.name} {line[:90]}")
        match verb.upper():
            case "EHLO" | "HELO":
                self._ehlo(verb.upper())
            case "MAIL":
                self._mail(rest, written_at)
            case "RCPT":
                self._rcpt(rest)
            case "DATA":
                self._data()
            case "RSET":
                self._recipient = ""
                self._reply("250 2.0.0 reset")
            case "QUIT":
                self._reply("221 2.0.0 bye")
                self._close()
            case _:
                self._reply("500 5.5.2 what?")

    def _ehlo(self, verb: str) -> None:
        fault = self._server.faults.at("EHLO") if verb == "EHLO" else ""
        if fault == "closed":
            self._close()
        elif fault:
            self._reply(f"{fault} no")
            if fault == "421":
                self._close()
        else:
            lines = [
                "mx.example.net",
                "8BITMIME",
                *(["PIPELINING"] if self._server.pipelining else []),
                "SIZE 30000000",
            ]
            self._reply("\r\n".join(f"250{'-' if name != lines[-1] else ' '}{name}" for name in lines))

    def _mail(self, rest: str, written_at: float) -> None:
        self._server.log.mails += 1
        self._server.log.in_clear += self._wants_tls
        self._mail_at, self._reverse_path, self._recipient = written_at, _path(rest), ""
        if self._server.per_connection and self._taken >= self._server.per_connection:
            self._reply("421 4.7.0 too many messages on this connection")
            self._close()
        elif not self._fails("MAIL"):
            self._reply("250 2.1.0 ok")

    def _rcpt(self, rest: str) -> None:
        if not self._reverse_path:
            self._reply("503 5.5.1 MAIL first")
        else:
            self._recipient = _path(rest)
            if self._fails("RCPT"):
                self._recipient = ""
            else:
                self._reply("250 2.1.5 ok")

    def _data(self) -> None:
        if not self._recipient:
            self._reply("503 5.5.1 RCPT first")
            return
        if self._fails("DATA"):
            return
        self._in_data = True
        fault = self._server.faults.at("body")
        self._cut_body = fault in ("reset", "421")
        if fault == "stalled":
            self._transport.stalled_until = self._world.elapsed + self._server.rng.choice((20.0, 240.0, 900.0))
        self._reply("354 go ahead")

    def _fails(self, place: str) -> bool:
        fault = self._server.faults.at(place)
        match fault:
            case "":
                return False
            case "closed":
                self._close()
            case "reset":
                self._close(is_reset=True)
            case "silent":
                pass
            case "slow":
                self._send(b"354 go ahead\r\n" if place == "DATA" else b"250 ok\r\n", after=250.0)
                self._in_data = place == "DATA"
            case "garbage":
                self._send(b"\x00\xff what is this\r\n")
            case _:
                code = fault if " " in fault else f"{fault} {fault[0]}.0.0"
                self._note_refusal(fault, of_command=place)
                self._reply(f"{code} {self._recipient or 'you'}: not this time")
                if fault.startswith("421"):
                    self._close()
        return True

    def _note_refusal(self, fault: str, of_command: str = "") -> None:
        log = self._server.log
        if fault.startswith("5") and of_command != "MAIL":
            log.refused.add(self._recipient)
            if fault in ("550 5.1.1", "553"):
                log.bad_addresses.add(self._recipient)

    # --- content ---

    def _content(self) -> bool:
        """Read up to the final dot. Returns False if it has not come yet."""
        if self._cut_body and len(self._buffer) > 200:
            self._cut_body = False
            if self._server.rng.random() < 0.5:
                self._reply("421 4.3.0 shutting down")
            self._close(is_reset=True)
            return False
        if self._buffer.startswith(b".\r\n"):
            content, size = b"", 3
        else:
            at = self._buffer.find(b"\r\n.\r\n")
            if at < 0:
                return False
            content, size = bytes(self._buffer[: at + 2]), at + 5
        del self._buffer[:size]
        self._in_data = False
        self._take(content.replace(b"\r\n..", b"\r\n."))
        return True

    def _take(self, content: bytes) -> None:
        fault = self._server.faults.at("dot")
        is_refusal = fault[:1] in ("4", "5") and fault not in ("599 s", "601 s", "421 instead of 250")
        refused = is_refusal or fault == "421 instead of 250"
        head = content.partition(b"\r\n\r\n")[0]
        copy = Copy(
            delivery_id=number_of(AddressPurpose.BOUNCE, token_in(self._reverse_path), KEYS) or 0,
            sender=self._process.name,
            mail_at=self._mail_at,
            at=self._world.elapsed,
            reverse_path=self._reverse_path,
            recipient=self._recipient,
            message_id=_header(head, b"Message-ID").strip("<>"),
            sha256=hashlib.sha256(content).hexdigest(),
            head=head,
            is_accepted=not refused,
            is_doubtful=fault in AMBIGUOUS,
        )
        if is_refusal:
            self._note_refusal(fault)
        self._server.log.copies.append(copy)
        self._world.note(f"server: {copy.recipient} {copy.message_id} {copy.sha256[:12]} {fault or 'accepted'}")
        self._recipient = self._reverse_path = ""
        self._taken += not refused
        self._answer(copy, fault, is_refusal)
        if idle := self._server.faults.at("idle"):
            self._world.after(self._server.rng.uniform(0.0, 8.0), lambda: self._hang_up(idle))

    def _hang_up(self, fault: str) -> None:
        if self._is_open:
            if fault.startswith("421"):
                self._reply("421 4.4.2 closing an idle connection")
            self._close()

    def _answer(self, copy: Copy, fault: str, is_refusal: bool) -> None:
        good = b"250 2.0.0 accepted\r\n"
        match fault:
            case "reset after" | "closed after":
                self._close(is_reset=fault == "reset after")
            case "599 s" | "601 s":
                self._busy_at += 700
                self._send(good, after=float(fault[:3]), copy=copy)
            case "trickled":
                seconds = self._server.rng.choice((10.0, 40.0))
                for number in range(len(good)):
                    is_last = number == len(good) - 1
                    self._send(good[number : number + 1], after=seconds * number, copy=copy if is_last else None)
            case "garbage after":
                self._send(b"\xff\xfe\r\n")
            case "endless after":
                self._send(b"250-more\r\n" * 150)
            case "in pieces":
                self._send(good[:7])
                self._send(good[7:], after=1.0, copy=copy)
            case "421 instead of 250":
                self._reply("421 4.3.0 closing")
                self._close()
            case _ if is_refusal:
                self._reply(f"{fault} 5.0.0 no" if " " not in fault and fault[0] == "5" else f"{fault} no")
                if fault == "421":
                    self._close()
            case _:
                self._send(good, copy=copy, after=self._server.rng.choice((0.0, 0.0, 0.0, 0.2, 1.5)))

    # --- replies ---

    def _reply(self, text: str) -> None:
        self._send(text.encode() + b"\r\n")

    def _send(self, data: bytes, after: float = 0.0, copy: Copy | None = None) -> None:
        def was_read() -> None:
            if copy is not None:
                copy.is_known = True

        self._transport.answer(data, after, was_read)

    def _close(self, is_reset: bool = False) -> None:
        self._is_open = False
        self._transport.end(is_reset)

    def _watch(self) -> None:
        """Close the connection when nothing has come for five minutes."""

        def look() -> None:
            idle = self._world.elapsed - self._busy_at
            if self._is_open and idle >= _IDLE_SECONDS - 0.001:
                self._reply("421 4.4.2 idle for too long")
                self._close()
            elif self._is_open:
                self._world.after(_IDLE_SECONDS - idle, look)

        self._world.after(_IDLE_SECONDS, look)


def _path(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]


def _header(head: bytes, name: bytes) -> str:
    found = head.lower().find(b"\r\n" + name.lower() + b":")
    if found < 0:
        return ""
    value = head[found + 3 + len(name) :]
    lines = value.split(b"\r\n")
    unfolded = lines[0] + b"".join(line for line in _folded(lines[1:]))
    return unfolded.decode("utf-8", "replace").strip()


def _folded(lines: list[bytes]) -> list[bytes]:
    """The lines that continue a header field."""
    count = next((number for number, line in enumerate(lines) if line[:1] not in (b" ", b"\t")), len(lines))
    return lines[:count]

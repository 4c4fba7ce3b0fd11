"""One connection of the simulated mail server: SMTP with faults."""

import hashlib
from typing import TYPE_CHECKING

from benchmarks.simulate.faults import AMBIGUOUS
from benchmarks.simulate.installation import KEYS
from benchmarks.simulate.network import SimulatedTransport
from benchmarks.simulate.server_log import Copy, header_of, path_in
from benchmarks.simulate.world import Process
from digest.mail.return_paths import AddressPurpose, number_of, token_in

_READ_SECONDS = 0.9  # in which a server reads a message, unless it stops reading
_GREETING = b"220 mx.example.net ESMTP\r\n"

if TYPE_CHECKING:
    from benchmarks.simulate.server import MailServer


class ServerSession:
    """One connection of the server."""

    def __init__(self, server: "MailServer", transport: SimulatedTransport, process: Process, wants_tls: bool) -> None:
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
        self._mail_at, self._reverse_path, self._recipient = written_at, path_in(rest), ""
        if self._server.per_connection and self._taken >= self._server.per_connection:
            self._reply("421 4.7.0 too many messages on this connection")
            self._close()
        elif not self._fails("MAIL"):
            self._reply("250 2.1.0 ok")

    def _rcpt(self, rest: str) -> None:
        if not self._reverse_path:
            self._reply("503 5.5.1 MAIL first")
        else:
            self._recipient = path_in(rest)
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
        is_about_us = "5.7." in fault or fault == "552 5.2.2"  # or about now
        if fault.startswith("5") and of_command != "MAIL" and not is_about_us:
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
        is_refusal = fault[:1] in ("4", "5") and not fault.endswith(" s")
        head = content.partition(b"\r\n\r\n")[0]
        delivery_id = number_of(AddressPurpose.BOUNCE, token_in(self._reverse_path), KEYS) or 0
        begun_at = self._server.log.begun.get((self._process.name, delivery_id), self._mail_at)
        # The client waits for 600 s from its last write, which a slow server reads later.
        is_too_late = fault == "599 s" and self._world.elapsed - begun_at > _READ_SECONDS
        copy = Copy(
            delivery_id=delivery_id,
            sender=self._process.name,
            mail_at=self._mail_at,
            at=self._world.elapsed,
            reverse_path=self._reverse_path,
            recipient=self._recipient,
            message_id=header_of(head, b"Message-ID").strip("<>"),
            sha256=hashlib.sha256(content).hexdigest(),
            head=head,
            is_accepted=not is_refusal,
            begun_at=begun_at,
            is_doubtful=fault in AMBIGUOUS or is_too_late,
        )
        if is_refusal:
            self._note_refusal(fault)
        self._server.log.copies.append(copy)
        self._world.note(f"server: {copy.recipient} {copy.message_id} {copy.sha256[:12]} {fault or 'accepted'}")
        self._recipient = self._reverse_path = ""
        self._taken += not is_refusal
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
                self._trickle(good, copy)
            case "garbage after":
                self._send(b"\xff\xfe\r\n")
            case "endless after":
                self._send(b"250-more\r\n" * 150)
            case "in pieces":
                self._send(good[:7])
                self._send(good[7:], after=1.0, copy=copy)
            case _ if is_refusal:
                self._reply(f"{fault} 5.0.0 no" if " " not in fault and fault[0] == "5" else f"{fault} no")
                if fault == "421":
                    self._close()
            case _:
                self._send(good, copy=copy, after=self._server.rng.choice((0.0, 0.0, 0.0, 0.2, 1.5)))

    def _trickle(self, reply: bytes, copy: Copy) -> None:
        seconds = self._server.rng.choice((10.0, 40.0))
        for number in range(len(reply)):
            is_last = number == len(reply) - 1
            self._send(reply[number : number + 1], after=seconds * number, copy=copy if is_last else None)

    # --- replies ---

    def _reply(self, text: str) -> None:
        self._send(text.encode() + b"\r\n")

    def _send(self, data: bytes, after: float = 0.0, copy: Copy | None = None) -> None:
        def was_read() -> None:
            if copy is not None and copy.known_at is None:
                copy.known_at = self._world.elapsed

        self._transport.answer(data, after, was_read)

    def _close(self, is_reset: bool = False) -> None:
        self._is_open = False
        self._transport.end(is_reset)

    def _watch(self) -> None:
        """Close the connection when nothing has come for a long time."""
        longest = self._server.idle_seconds

        def look() -> None:
            idle = self._world.elapsed - self._busy_at
            if self._is_open and idle >= longest - 0.001:
                self._reply("421 4.4.2 idle for too long")
                self._close()
            elif self._is_open:
                self._world.after(longest - idle, look)

        self._world.after(longest, look)

"""Connections in memory: latency, a kernel's buffer that a slow server fills, and the last bytes of the dead."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from benchmarks.simulate.loop import SimulatedLoop
from benchmarks.simulate.world import Process


class ServerEnd(Protocol):
    """The server's side of a connection."""

    def received(self, data: bytes, written_at: float) -> None: ...
    def ended(self) -> None: ...


class _NoSocket:
    """There is no socket to shut down: closing the transport drops what was not sent."""

    def fileno(self) -> int:
        raise OSError("no socket")


class SimulatedTransport(asyncio.Transport):
    """The client's side of a connection."""

    def __init__(self, process: Process, loop: SimulatedLoop, protocol: asyncio.Protocol, capacity: int) -> None:
        """`capacity`: bytes that the kernel takes before the server has read any."""
        super().__init__()
        self._process, self._world, self._loop, self._protocol = process, process.world, loop, protocol
        self._capacity = capacity
        self._in_kernel = 0
        self._buffer = bytearray()
        self._high, self._low, self._is_paused = 65_536, 16_384, False
        self._is_closing = self._is_lost = self._is_dead = False
        self._unwritten = b""
        self._arrival = self._answer = 0.0
        self.stalled_until = 0.0  # until then the server reads nothing
        self.server: ServerEnd
        process.at_death.append(self._die)

    # --- asyncio's transport ---

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return _NoSocket() if name == "socket" else default

    def is_closing(self) -> bool:
        return self._is_closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol  # type: ignore[assignment]

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high, self._low = high or 65_536, low or 0

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def write(self, data: Any) -> None:
        self._write(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        self._write(b"".join(list_of_data))

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            if not self._buffer:
                self._finish()

    def abort(self) -> None:
        self._is_closing = True
        self._buffer.clear()
        self._finish()

    # --- bytes to the server ---

    def _write(self, data: bytes) -> None:
        if self._is_dead or self._is_closing or self._is_lost:
            return
        self._unwritten = data
        self._process.point("write", _kind_of(data))
        self._unwritten = b""
        self._buffer += data
        self._flush()
        if len(self._buffer) > self._high and not self._is_paused:
            self._is_paused = True
            self._protocol.pause_writing()

    def _flush(self) -> None:
        room = self._capacity - self._in_kernel
        if room > 0 and self._buffer:
            chunk = bytes(self._buffer[:room])
            del self._buffer[:room]
            self._to_kernel(chunk)

    def _to_kernel(self, chunk: bytes) -> None:
        if not chunk:
            return
        self._in_kernel += len(chunk)
        written_at = self._world.elapsed
        self._arrive(lambda: self._reach(chunk, written_at))

    def _arrive(self, action: Callable[[], None]) -> None:
        world = self._world
        self._arrival = max(self._arrival, world.elapsed + world.rng.uniform(0.0005, 0.02), self.stalled_until)
        world.after(self._arrival - world.elapsed, action)

    def _reach(self, chunk: bytes, written_at: float) -> None:
        if self.stalled_until > self._world.elapsed:  # it stopped reading meanwhile
            self._arrive(lambda: self._reach(chunk, written_at))
            return
        self._in_kernel -= len(chunk)
        self.server.received(chunk, written_at)
        if self._buffer and not self._is_lost:
            self._flush()
        if not self._buffer and self._is_paused and not self._is_lost:
            self._is_paused = False
            self._callback("resume_writing", self._protocol.resume_writing)
        if not self._buffer and self._is_closing and not self._is_lost:
            self._finish()

    def _finish(self) -> None:
        if not self._is_lost:
            self._is_lost = True
            self._arrive(self.server.ended)
            self._callback("connection_lost", lambda: self._protocol.connection_lost(None))

    def _die(self) -> None:
        """The process was killed: the kernel still sends what it had taken, then the end."""
        if not self._is_dead:
            self._is_dead = True
            if not self._is_lost:
                # It may have died within a write: the kernel had taken a part of it.
                self._to_kernel(self._unwritten[: int(len(self._unwritten) * self._world.crashes.fraction())])
                self._is_lost = self._is_closing = True
                self._buffer.clear()
                self._arrive(self.server.ended)

    # --- from the server ---

    def answer(self, data: bytes, after: float, on_read: Callable[[], None]) -> None:
        """Bytes of the server; `on_read` is called once the client has processed them."""
        world = self._world
        self._answer = max(self._answer, world.elapsed + after + world.rng.uniform(0.0005, 0.02))

        def arrive() -> None:
            if self._is_lost or self._is_closing:
                return

            def read() -> None:
                self._protocol.data_received(data)
                on_read()

            self._loop.enter("data_received", read)

        world.after(self._answer - world.elapsed, arrive, self._process)

    def end(self, is_reset: bool) -> None:
        """The server has closed the connection, or it was reset, which loses what the server has not read."""
        world = self._world
        wait = max(self._answer - world.elapsed, 0.0) + world.rng.uniform(0.0005, 0.02)

        def arrive() -> None:
            if self._is_lost:
                return
            self._buffer.clear()
            if is_reset:
                self._lose(ConnectionResetError(104, "Connection reset by peer"))
            elif not self._is_closing:
                self._is_closing = True
                self._loop.enter("eof_received", self._protocol.eof_received)
                self._lose(None)

        world.after(wait, arrive, self._process)

    def _lose(self, error: Exception | None) -> None:
        if not self._is_lost:
            self._is_lost = self._is_closing = True
            self._callback("connection_lost", lambda: self._protocol.connection_lost(error))

    def _callback(self, name: str, action: Callable[[], object]) -> None:
        if not self._is_dead:
            self._world.after(0.0, lambda: self._loop.enter(name, action), self._process)


def _kind_of(data: bytes) -> str:
    """The command that begins what is written."""
    word = data[:4].upper()
    return word.decode() if word in (b"EHLO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"QUIT") else "content"

"""The simulated mail server, with a log for the judge."""

import asyncio
from collections.abc import Callable
from random import Random

from benchmarks.simulate.faults import FaultScript
from benchmarks.simulate.loop import SimulatedLoop
from benchmarks.simulate.network import SimulatedTransport
from benchmarks.simulate.server_log import ServerLog
from benchmarks.simulate.server_session import ServerSession
from benchmarks.simulate.world import World

_KERNEL_BYTES = (4_096, 65_536, 1_000_000)
TLS_PORT = 587


class MailServer:
    """Accepts connections and messages, apart from what its faults say."""

    def __init__(self, world: World, faults: FaultScript, seed: int) -> None:
        self.world, self.faults, self.rng = world, faults, Random(seed)
        self.log = ServerLog()
        self.pipelining = self.rng.random() < 0.8
        self.per_connection = self.rng.choice((0, 0, 0, 3, 7))  # messages; 0: no limit
        self.idle_seconds = self.rng.choice((300.0, 3_600.0, 3_600.0))  # at least five minutes: RFC 5321 §4.5.3.2.7
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

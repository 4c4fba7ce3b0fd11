"""The event loop of a simulated process, whose time and whose turns the world decides."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future
from math import inf
from typing import Any

from benchmarks.simulate.world import Process
from digest.smtp import Sender

Connect = Callable[["SimulatedLoop", Callable[[], asyncio.Protocol], str, int], Any]


class SimulatedLoop(asyncio.BaseEventLoop):
    """Hands its callbacks to the world. Connections are opened by `connect`."""

    def __init__(self, process: Process, connect: Connect) -> None:
        self.process, self._world, self._connect = process, process.world, connect
        super().__init__()

    def __del__(self) -> None:
        """Warn about nothing: a process that is killed never closes its loop."""

    def time(self) -> float:
        return self._world.monotonic()

    def _call_soon(
        self, callback: Callable[..., object], args: Any, context: contextvars.Context | None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._world.after(0.0, lambda: self._run(handle), self.process)
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._world.after(when - self.time(), lambda: self._run(timer), self.process)
        return timer

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return self._call_soon(callback, args, context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """The world drops it when its time comes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        problem = context.get("exception")
        if self.process.is_alive and problem is not None:
            self._world.failures.append(f"{self.process.name}: {context.get('message')}: {problem!r}")

    def is_running(self) -> bool:
        return True

    def _run(self, handle: Any) -> None:
        if not handle._cancelled:
            self.enter(_name_of(handle._callback), lambda: handle._context.run(handle._callback, *handle._args))

    def enter(self, place: str, action: Callable[[], object]) -> None:
        """Run a callback of this loop."""
        self.process.point("callback", place)
        asyncio._set_running_loop(self)
        try:
            action()
        finally:
            asyncio._set_running_loop(None)

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str = "", port: int = 0, **_options: Any
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        return await self._connect(self, protocol_factory, host, port)  # type: ignore[no-any-return]


def _name_of(callback: Any) -> str:
    name = getattr(callback, "__qualname__", "") or type(callback).__name__
    return "task" if "Task" in name else name.replace(".<locals>", "").replace("<lambda>", "done")


class SimulatedSender(Sender):
    """A Sender whose connections run on the loop of a simulated process, and whose futures let others run."""

    def __init__(self, process: Process, connect: Connect, *arguments: Any, **named: Any) -> None:
        self._process, self._connect = process, connect
        super().__init__(*arguments, **named)

    def start_loop(self) -> asyncio.AbstractEventLoop:
        return SimulatedLoop(self._process, self._connect)

    def end_loop(self, closed: "Future[None]") -> None:
        self._process.world.wait_for(closed)

    def submit(self, window: Any, now: Any, begin_until: float = inf) -> "Future[Any]":
        return _Result(super().submit(window, now, begin_until), self._process)


class _Result(Future[Any]):
    """A future whose result() lets other processes run meanwhile."""

    def __init__(self, future: "Future[Any]", process: Process) -> None:
        super().__init__()
        self._future, self._process = future, process

    def result(self, timeout: float | None = None) -> Any:  # noqa: ARG002 - the base's signature
        return self._process.world.wait_for(self._future)

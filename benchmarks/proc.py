"""Reads from /proc the children, the memory, the CPU time and the connections of processes (Linux)."""

import os
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_MEBIBYTE = 1024  # of the kB that /proc counts in
_TICKS = os.sysconf("SC_CLK_TCK")  # a second
# TCP states in which something may be on its way: ESTABLISHED, and CLOSE_WAIT (the other side fields goodbye).
_OPEN = {"01", "08"}


def children(pid: int) -> list[int]:
    """The living children of `pid`; none if it has ended."""
    with suppress(OSError):
        tasks = list((_PROC / str(pid) / "task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    return []


def cpu_seconds(pid: int) -> float:
    """CPU time of a process, of its living descendants, and of those that have ended and were waited for."""
    with suppress(OSError):
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / _TICKS + sum(map(cpu_seconds, children(pid)))
    return 0.0


def parent(pid: int) -> int:
    """The parent of a living process."""
    return int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])


def connections_to(port: int, *pids: int) -> int:
    """The number of TCP connections to `port` that these processes have open now."""
    sockets = _sockets_to(port)
    return sum(_socket_of(descriptor) in sockets for pid in pids for descriptor in _descriptors(pid))


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident memory of a process now and at its peak, in MiB; zeros when it is gone."""
    with suppress(OSError):
        lines = (_PROC / str(pid) / "status").read_text().splitlines()
        fields = dict(line.split(":", 1) for line in lines)
        return tuple(int(fields.get(name, "0").split()[0]) / _MEBIBYTE for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]
    return 0.0, 0.0


def _sockets_to(port: int) -> set[str]:
    sockets = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (_PROC / "net" / table).read_text().splitlines()[1:]:
                _, _, remote, state, *rest = line.split()
                if state in _OPEN and int(remote.rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{rest[5]}]")
    return sockets


def _descriptors(pid: int) -> list[Path]:
    with suppress(OSError):
        return list((_PROC / str(pid) / "fd").iterdir())
    return []


def _socket_of(descriptor: Path) -> str:
    with suppress(OSError):
        return str(descriptor.readlink())
    return ""

"""Simulates a day of sending at 10,000 to 100,000,000 subscribers, and finds the first bottleneck.

`python -m benchmarks.growth [--cores N] [--database-cores N] [--relays N] [--measured FILE]`: the day is divided into
minutes. Each message becomes due at the subscriber's hour and zone, and goes as soon as workers, database, relays and
the largest mail provider have room for it in that minute. The CPU time of a message is an assumption until FILE, from
`python -m benchmarks.delivery --json`, replaces it; all other assumptions are options, with the values in `--help`.
Nothing is sent. docs/scaling.md explains the table.
"""

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.command import Results, command, run

_SIZES = tuple(10**exponent for exponent in range(4, 9))
_MINUTES = 24 * 60
_MS_A_MINUTE = 60_000
_GB = 1e9
# The share of subscribers in each zone, by its offset from UTC in hours, and with each local hour.
_ZONES = {-8: 0.12, -5: 0.16, 0: 0.10, 1: 0.22, 5.5: 0.10, 8: 0.22, 9: 0.08}
_HOURS = {6: 0.10, 7: 0.55, 8: 0.20, 12: 0.05, 18: 0.10}


@dataclass(frozen=True)
class Capacity:
    """The resources of an installation, and their use by each message."""

    worker_ms: float
    database_ms: float
    cores: float
    database_cores: float
    relays: int
    relay_rate: float  # messages a second that one relay accepts
    provider_share: float  # of all messages that go to the largest mail provider
    provider_rate: float  # messages a second that it accepts from one relay

    def per_minute(self) -> dict[str, float]:
        """Return the most messages in a minute for each limit."""
        return {
            "workers": self.cores * _MS_A_MINUTE / self.worker_ms,
            "database": self.database_cores * _MS_A_MINUTE / self.database_ms,
            "relays": self.relays * self.relay_rate * 60,
            "provider": self.relays * self.provider_rate * 60 / self.provider_share,
        }


@dataclass(frozen=True)
class Day:
    """The result of a simulated day."""

    late_p95: int  # minutes from due to sent
    late_most: int
    short: str  # the limit of most minutes; "" if every message went at once
    left: int  # messages left at the end of the day


def main() -> None:
    """Run the simulation and print its table."""
    run(_arguments(), simulate, lambda _results: True)


def _arguments() -> argparse.Namespace:
    parser = command("growth", __doc__)
    add = parser.add_argument
    add("--measured", type=Path, metavar="FILE", help="results of benchmarks.delivery --json, for CPU time and size")
    add("--worker-ms", type=float, default=0.95, help="CPU of the workers for a message (0.95)")
    add("--database-ms", type=float, default=0.2, help="CPU of the database for a message (0.2)")
    add("--message-kb", type=float, default=45.0, help="kilobytes of a message (45)")
    add("--row-bytes", type=float, default=700.0, help="bytes of a message in the ledger, with indexes (700)")
    add("--cores", type=float, default=2.0, help="cores of all workers (2)")
    add("--database-cores", type=float, default=1.0, help="cores of the database (1)")
    add("--relays", type=int, default=1, help="relays, each with its own IP address (1)")
    add("--relay-rate", type=float, default=1000.0, help="messages a second that one relay accepts (1000)")
    add("--provider-share", type=float, default=0.4, help="share of the largest mail provider (0.4)")
    add("--provider-rate", type=float, default=50.0, help="messages a second that it accepts from one relay (50)")
    add("--retention", type=int, default=200, metavar="DAYS", help="days that the ledger keeps a message (200)")
    add("--warm-up", type=int, default=500, metavar="MESSAGES", help="the limit of the first day (500)")
    add("--warm-up-growth", type=float, default=4 / 3, help="its growth from day to day (4/3)")
    return parser.parse_args()


def simulate(options: argparse.Namespace) -> Results:
    """Simulate each size; returns lists with a value for each."""
    worker_ms, database_ms, size = options.worker_ms, options.database_ms, options.message_kb * 1000
    if options.measured:
        measured = json.loads(options.measured.read_text())
        worker_ms, database_ms = (measured["cpu_ms_per_mail"][part] for part in ("workers", "database"))
        size = measured["bytes_per_message"]
    capacity = Capacity(
        worker_ms,
        database_ms,
        options.cores,
        options.database_cores,
        options.relays,
        options.relay_rate,
        options.provider_share,
        options.provider_rate,
    )
    assumed = {"worker_ms": worker_ms, "database_ms": database_ms, "bytes_per_message": round(size)}
    columns = [_column(count, capacity, size, options) for count in _SIZES]
    return assumed | {"subscribers": list(_SIZES)} | {name: [column[name] for column in columns] for name in columns[0]}


def _column(count: int, capacity: Capacity, size: float, options: argparse.Namespace) -> dict[str, Any]:
    due = due_by_minute(count)
    day, busiest = one_day(due, capacity), max(_in_an_hour(due))
    hour = {name: busiest / 60 / most for name, most in capacity.per_minute().items()}
    return {
        "minutes_late_p95": day.late_p95,
        "minutes_late_most": day.late_most,
        "left": day.left,
        "short_of": day.short,
        "cores_for_the_busiest_hour": round(busiest * capacity.worker_ms / 3_600_000, 2),
        "database_cores": round(busiest * capacity.database_ms / 3_600_000, 2),
        "relays_for_the_busiest_hour": max(1, round(capacity.relays * max(hour["relays"], hour["provider"]) + 0.5)),
        "megabits_a_second": round(busiest * size * 8 / 3600 / 1e6, 1),
        "ledger_gb": round(count * options.row_bytes * options.retention / _GB, 1),
        "warm_up_days": warm_up_days(count, options.warm_up, options.warm_up_growth),
    }


def due_by_minute(count: int) -> list[float]:
    """The messages of an issue that become due in each minute of the UTC day."""
    due = [0.0] * _MINUTES
    for offset, of_zone in _ZONES.items():
        for hour, of_hour in _HOURS.items():
            due[round((hour - offset) * 60) % _MINUTES] += count * of_zone * of_hour
    return due


def one_day(due: list[float], capacity: Capacity) -> Day:
    """Send due messages, oldest first, up to the capacity of each minute. The day ends 24 hours after the last hour."""
    limits = capacity.per_minute()
    most, short = min(limits.values()), min(limits, key=lambda name: limits[name])
    waiting: list[tuple[int, float]] = []  # since when, and how many
    late: dict[int, float] = {}
    for minute in range(2 * _MINUTES):
        if minute < _MINUTES and due[minute]:
            waiting.append((minute, due[minute]))
        room = most
        while waiting and room > 0:
            since, number = waiting[0]
            sent = min(number, room)
            late[minute - since] = late.get(minute - since, 0.0) + sent
            room -= sent
            waiting[0] = (since, number - sent)
            if waiting[0][1] <= 0:
                waiting.pop(0)
    return Day(
        _quantile(late, 0.95), max(late), short if max(late) else "", round(sum(number for _, number in waiting))
    )


def warm_up_days(messages: int, quota: int, growth: float) -> int:
    """Days until the limit of a warm-up reaches so many messages."""
    days, allowed = 0, float(quota)
    while allowed < messages:
        days, allowed = days + 1, allowed * growth
    return days


def _in_an_hour(due: list[float]) -> list[float]:
    """Return the sum of the hour from each minute on."""
    return [sum((due + due)[minute : minute + 60]) for minute in range(_MINUTES)]


def _quantile(late: dict[int, float], share: float) -> int:
    total, reached = sum(late.values()), 0.0
    for minutes in sorted(late):
        reached += late[minutes]
        if reached >= share * total:
            return minutes
    return max(late)


if __name__ == "__main__":
    main()

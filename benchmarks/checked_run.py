"""A run that is not timed: delivers an issue to the recording mail server, and checks its log."""

from dataclasses import dataclass

import psycopg

from benchmarks.installation import Installation, RecordingProcess, progress
from benchmarks.report import Report, read_log, report_on
from benchmarks.timed import Setup, publish, wait
from benchmarks.world import SECRET, address
from digest.ledger.received import ranks_of

_SAMPLE = 5000  # subscribers whose lists are compared


@dataclass(frozen=True)
class CheckedRun:
    report: Report | None
    example: bytes  # one message
    different_lists: float | None  # lists per subscriber in a sample; 1: each has a different one

    @property
    def bytes_per_message(self) -> int:
        return self.report.bytes_per_message if self.report else len(self.example)


def checked_run(setup: Setup, database: str, subscribers: int, deliver: bool = True) -> CheckedRun:
    """Deliver today's issue to all `subscribers` in `database`; without `deliver` one message is only composed."""
    server = RecordingProcess(setup.folder)
    installation = setup.installation(database, server.port)
    try:
        publish(installation, setup.today)
        example = preview(installation, address(1))
        if not deliver:
            return CheckedRun(None, example, None)
        progress(f"{subscribers} messages to the recording mail server")
        installation.start("worker", "worker")
        installation.start("scheduler", "scheduler")
        installation.hint(subscribers)
        wait(installation, subscribers)
    finally:
        installation.stop()
        server.stop()
    report = report_on(list(read_log(server.log)), addresses_of(subscribers), [SECRET.encode()])
    return CheckedRun(report, example, _different_lists(database))


def addresses_of(count: int) -> dict[str, int]:
    """Address → number of each subscriber in a world of `count`."""
    return {address(number): number for number in range(1, count + 1)}


def preview(installation: Installation, subscriber: str) -> bytes:
    """The bytes of one subscriber's message, as `digest preview` prints them."""
    return installation.digest("preview", "--subscriber", subscriber, "--format", "raw")


def _different_lists(database: str) -> float:
    """Distinct lists per subscriber, whatever their order."""
    with psycopg.connect(database) as connection:
        query = b"SELECT picks FROM deliveries WHERE issue_id = (SELECT max(id) FROM issues) ORDER BY id LIMIT %s"
        lists = [frozenset(ranks_of(stored)) for (stored,) in connection.execute(query, [_SAMPLE])]
    return round(len(set(lists)) / max(1, len(lists)), 4)

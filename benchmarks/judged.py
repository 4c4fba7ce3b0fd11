"""The run that is not timed: every mail of an issue into a judging mail server, and what its log says."""

from dataclasses import dataclass

import psycopg

from benchmarks.installation import Installation, Judge, progress
from benchmarks.timed import Setup, publish, wait
from benchmarks.verdict import Verdict, judge, read_log
from benchmarks.world import SECRET, address

_SAMPLE = 5000  # readers whose lists are compared


@dataclass(frozen=True)
class Judged:
    """What came of it."""

    verdict: Verdict | None
    example: bytes  # one mail
    different_lists: float | None  # how many lists a sample of readers has, a reader; 1 = each another one

    @property
    def bytes_per_message(self) -> int:
        """The mean."""
        return self.verdict.bytes_per_message if self.verdict else len(self.example)


def judged_run(setup: Setup, database: str, readers: int, only_look: bool = False) -> Judged:
    """Deliver today's issue to all `readers` in `database`. With `only_look` one mail is written, none delivered."""
    server = Judge(setup.folder)
    installation = setup.installation(database, server.port)
    try:
        publish(installation, setup.today)
        example = preview(installation, address(1))
        if only_look:
            return Judged(None, example, None)
        progress(f"{readers} mails into the judging mail server")
        installation.start("worker", "worker")
        installation.start("scheduler", "scheduler")
        installation.hint(readers)
        wait(installation, readers)
    finally:
        installation.stop()
        server.stop()
    verdict = judge(list(read_log(server.log)), readers_of(readers), [SECRET.encode()])
    return Judged(verdict, example, _different_lists(database))


def readers_of(count: int) -> dict[str, int]:
    """Address → number of the readers that a world of `count` has."""
    return {address(number): number for number in range(1, count + 1)}


def preview(installation: Installation, reader: str) -> bytes:
    """The bytes of one reader's mail, as `digest preview` prints them."""
    return installation.digest("preview", "--subscriber", reader, "--format", "raw")


def _different_lists(database: str) -> float:
    """Whatever the order of the papers in a list."""
    with psycopg.connect(database) as connection:
        query = b"SELECT selection FROM deliveries WHERE issue_id IS NOT NULL ORDER BY id LIMIT %s"
        lists = [
            frozenset(paper for paper, *_ in stored["picks"]) for (stored,) in connection.execute(query, [_SAMPLE])
        ]
    return round(len(set(lists)) / max(1, len(lists)), 4)

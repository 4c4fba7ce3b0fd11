"""The state of the model. Everything in it is a plain value, so that equal states are found to be equal."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from benchmarks.model.world import Note

ClaimName = tuple[Any, ...]


class Phase(StrEnum):
    """The position of a worker between two steps."""

    IDLE = "idle"
    CLAIMED = "claimed"
    UNWANTED = "unwanted"  # some of its claims have to be skipped
    READY = "ready"
    REFUSED = "refused"  # the last check refused some of its messages
    SETTLING = "settling"
    CLEARING = "clearing"
    DEAD = "dead"
    RECOVERED = "recovered"  # dead, and its journal is gone


class Step(StrEnum):
    """The progress of a message that its worker has marked."""

    MARKED = "marked"
    BEGUN = "begun"
    TAKEN = "taken"  # the mail server has it; its reply is on the way
    CUT = "cut"  # the connection ended, and the worker has not noticed yet
    ANSWERED = "answered"


class Wire(NamedTuple):
    """A message between its mark and its record."""

    claim: ClaimName
    sha256: str
    window: int
    step: Step = Step.MARKED
    code: int | None = None  # of the reply; 0: not attempted

    @property
    def id(self) -> int:
        return int(self.claim[0])


class Worker(NamedTuple):
    """One process."""

    phase: Phase = Phase.IDLE
    drafts: tuple[ClaimName, ...] = ()
    aside: tuple[tuple[ClaimName, str], ...] = ()  # claims to skip, with the reason; "": refused by the last check
    wire: tuple[Wire, ...] = ()
    journal: tuple[Note, ...] = ()
    stalled: bool = False  # was suspended for longer than a lease

    @property
    def lives(self) -> bool:
        return self.phase not in (Phase.DEAD, Phase.RECOVERED)


class State(NamedTuple):
    """The ledger, the workers, what arrived, and what has happened."""

    rows: int
    workers: tuple[Worker, ...]
    arrived: tuple[tuple[str, ...], ...]  # of each delivery the fingerprints of its copies, in order
    doubts: tuple[int, ...]  # how often each was on the wire when a worker died or its connection ended
    suspended: tuple[
        bool, ...
    ]  # marked by a worker that slept for longer than its lease, which others must take for sent
    crashes: int  # that may still happen
    faults: int  # others that may still happen
    unsubscribed: bool = False
    cancelled: bool = False
    claimed: bool = False  # by anyone, ever


@dataclass(frozen=True, slots=True)
class Rules:
    """What the search explores."""

    messages: int = 2
    crashes: int = 1
    faults: int = 1
    hold: bool = False
    people: int = 1  # an unsubscribe or a cancellation; 2: both
    without: str = ""  # the protection that is taken out


PROTECTIONS = {
    "journal": "a dead worker leaves no journal behind",
    "token": "all workers have the same name",
    "lease": "a lease ends while its worker is still sending",
    "recheck": "the last check does not see who unsubscribed or what was cancelled after the choice",
    "retry": "a retry is composed anew instead of repeating its bytes",
}

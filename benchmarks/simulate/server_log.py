"""The log of the simulated mail server, and helpers to read a message."""

from dataclasses import dataclass, field


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
    begun_at: float = 0.0  # when the client noted in its journal that it would write the content
    is_doubtful: bool = False  # the server kept the reply from the client
    known_at: float | None = None  # when the client had processed the reply, or noted it in its journal


@dataclass(slots=True)
class ServerLog:
    """What reached the server."""

    copies: list[Copy] = field(default_factory=list)
    begun: dict[tuple[str, int], float] = field(default_factory=dict)  # by process and delivery: the last time
    mails: int = 0
    in_clear: int = 0  # MAIL of a client that had asked for TLS
    refused: set[str] = field(default_factory=set)  # addresses that got a 5yz about them or their message
    bad_addresses: set[str] = field(default_factory=set)  # of these, said not to exist, or refused again and again


def path_in(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]


def header_of(head: bytes, name: bytes) -> str:
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

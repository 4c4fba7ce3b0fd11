"""One result of a check."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """`said` is the state, `advice` what to do about it."""

    what: str
    well: bool
    said: str
    advice: str = ""
    blocks: bool = False  # real email cannot go out

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)

    def line(self) -> str:
        """For people."""
        mark = "ok     " if self.well else ("MISSING" if self.blocks else "note   ")
        return f"{mark} {self.what}: {self.said}" + (f"\n        → {self.advice}" if self.advice else "")

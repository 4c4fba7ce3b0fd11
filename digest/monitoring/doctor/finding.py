"""One result of a check."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one thing, and advice if it needs any."""

    what: str
    well: bool
    state: str
    advice: str = ""
    blocks: bool = False  # real email cannot go out

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {"what": self.what, "well": self.well, "said": self.state, "advice": self.advice, "blocks": self.blocks}

    def line(self) -> str:
        """Return the state and what to do, on one line."""
        mark = "ok     " if self.well else ("MISSING" if self.blocks else "note   ")
        return " ".join(f"{mark} {self.what}: {self.state}{f' → {self.advice}' if self.advice else ''}".split("\n"))

"""An issue: the ranked pool of one date, frozen when cut. Plain values; touches nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from digest.language import SOURCE
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.papers.paper import RankedPaper

# The setting of a catch-up issue that says from how many days before their last mail on a reader missed something.
OVERLAP = "overlap_days"
_NOTE_IN = "note "  # and a language: the setting that keeps the note in it


@dataclass(frozen=True, slots=True)
class Issue:
    """What was decided at the cut. `weights` are the ranking's constants, `settings` those that show in mails."""

    id: int
    kind: str  # one of IssueKind
    date: date
    cut_at: datetime
    status: IssueStatus
    formula: str  # name and version of the ranking formula
    weights: dict[str, float]
    settings: dict[str, str]
    candidates: int  # deliveries queued at the cut; what an audit disagrees with
    note: str  # why the issue is thin or empty, in English; "" when it is neither
    papers: tuple[RankedPaper, ...]

    @property
    def path(self) -> str:
        """Of its page, behind the public address of the site."""
        return f"/issues/{self.date}" + ("" if self.kind == IssueKind.DAILY else f"/{self.kind}")

    def language_for(self, chosen: str) -> str:
        """The tag of the language of a mail: what its reader chose, or for "" what the operator had at the cut."""
        return chosen or self.settings.get("language", SOURCE)

    def note_in(self, language: str) -> str:
        """The note in the language with this tag; in English where it was cut without that language."""
        return self.settings.get(f"{_NOTE_IN}{language}", self.note)


def noted(said: Mapping[str, str]) -> dict[str, str]:
    """The settings that keep an issue's note in other languages; `said` by their tags."""
    return {f"{_NOTE_IN}{code}": note for code, note in said.items()}

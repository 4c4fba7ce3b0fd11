"""An issue: the ranked pool of one date, frozen when cut. Plain values; touches nothing."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from digest.papers.paper import RankedPaper

# The setting of a catch-up issue that says from how many days before their last mail on a reader missed something.
OVERLAP = "overlap_days"


class IssueKind(StrEnum):
    """What an issue ranks. The words stand in the database."""

    DAILY = "daily"  # the papers of the last days
    WEEKLY = "weekly"  # a whole week anew, for those who get one mail a week
    CATCH_UP = "catch-up"  # the last weeks, for those who come back from a pause


class IssueStatus(StrEnum):
    """Paused issues keep their queue; cancelled ones let it expire."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"


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
    note: str  # why the issue is thin or empty, in words; "" when it is neither
    papers: tuple[RankedPaper, ...]

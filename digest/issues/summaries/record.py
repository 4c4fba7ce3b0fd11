"""The record of the summaries of an issue, in the operators' log and in audits."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection

from digest.ledger import events
from digest.papers.summaries.writing import SummaryRun

SUMMARIES = "summaries"  # the event of a date
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class SummaryRecord:
    """The summaries of an issue at its cut: how many there are, and why others are not."""

    model: str
    written: int
    missing: int  # that show the sentence of their abstract instead
    problem: str

    @property
    def line(self) -> str:
        """For operators."""
        missing = f"; {self.missing} missing: {self.problem}" if self.missing else ""
        return f"Summaries by {self.model}: {self.written} of {self.written + self.missing}{missing}."


def record_run(connection: Connection, day: date, model: str, wanted: int, run: SummaryRun, now: datetime) -> None:
    """Store how many of the summaries that an issue wanted it has."""
    detail = {"model": model, "written": wanted - run.missing, "missing": run.missing, "problem": run.problem[:_SHOWN]}
    events.record(connection, now, f"issue:{day}", SUMMARIES, detail)


def summary_record(connection: Connection, day: date) -> SummaryRecord | None:
    """Return the record of an issue; None if no model was asked for it."""
    newest = events.latest(connection, 1, f"issue:{day}", SUMMARIES)
    names = ("model", "written", "missing", "problem")
    return SummaryRecord(*(newest[0].detail[name] for name in names)) if newest else None

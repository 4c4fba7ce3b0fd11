"""Reading the sources: collect() and backfill run them, store() keeps what they return, health.py rates each run."""

from digest.papers.collecting.backfill import Backfill, BackfillStep, first_seen, plan_backfill, run_backfill
from digest.papers.collecting.collect import ANY_TIME, collect, collect_recent
from digest.papers.collecting.health import lost_touch, source_notes
from digest.papers.collecting.runs import SourceHealth, SourceRun, source_title
from digest.papers.collecting.store import (
    first_run_at,
    last_runs,
    last_successes,
    newest_runs,
    record_run,
    remembered_by,
)

__all__ = [
    "ANY_TIME",
    "Backfill",
    "BackfillStep",
    "SourceHealth",
    "SourceRun",
    "collect",
    "collect_recent",
    "first_run_at",
    "first_seen",
    "last_runs",
    "last_successes",
    "lost_touch",
    "newest_runs",
    "plan_backfill",
    "record_run",
    "remembered_by",
    "run_backfill",
    "source_notes",
    "source_title",
]

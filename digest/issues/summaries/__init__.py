"""Summaries by a language model for the papers of the next issue, and their record."""

from digest.issues.summaries.coming import SummaryPlan, summarise, summarise_coming
from digest.issues.summaries.record import summary_record

__all__ = ["SummaryPlan", "summarise", "summarise_coming", "summary_record"]

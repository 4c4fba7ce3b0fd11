"""Summaries by a language model for the papers of the next issue, and the record of what became of them."""

from digest.issues.summaries.coming import SummaryPlan, summarise, summarise_coming
from digest.issues.summaries.record import summary_record

__all__ = ["SummaryPlan", "summarise", "summarise_coming", "summary_record"]

"""What people decide about single papers before an issue is cut, and the list that comes of it."""

from digest.issues.editing.choices import Choice, EditorialChoice, IssueChoices, choices_for, edited, reordered
from digest.issues.editing.listing import WEEK_DAYS, IssueList, issue_list, pool_days, ranking_weights
from digest.issues.editing.store import (
    LONGEST_REASON,
    MOST_PINNED,
    BadChoice,
    IssueWasCut,
    choices_of,
    choose,
    forget_old_choices,
    lock_choices,
    undo,
)

__all__ = [
    "LONGEST_REASON",
    "MOST_PINNED",
    "WEEK_DAYS",
    "BadChoice",
    "Choice",
    "EditorialChoice",
    "IssueChoices",
    "IssueList",
    "IssueWasCut",
    "choices_for",
    "choices_of",
    "choose",
    "edited",
    "forget_old_choices",
    "issue_list",
    "lock_choices",
    "pool_days",
    "ranking_weights",
    "reordered",
    "undo",
]

"""Decisions of people about single papers before an issue is cut, and the list with them."""

from digest.issues.editing.choices import (
    Choice,
    EditorialChoice,
    IssueChoices,
    choices_for,
    edited,
    in_force,
    reordered,
)
from digest.issues.editing.listing import (
    WEEK_DAYS,
    IssueList,
    RankedPool,
    issue_list,
    list_of,
    pool_days,
    ranked_pool,
    ranking_weights,
)
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
    "RankedPool",
    "choices_for",
    "choices_of",
    "choose",
    "edited",
    "forget_old_choices",
    "in_force",
    "issue_list",
    "list_of",
    "lock_choices",
    "pool_days",
    "ranked_pool",
    "ranking_weights",
    "reordered",
    "undo",
]

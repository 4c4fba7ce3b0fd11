"""Each subscriber's papers of an issue."""

from digest.issues.selection.history import CachedIssue, IssueCache, SubscriberHistory, histories, papers_for
from digest.issues.selection.personal import FEWEST
from digest.issues.selection.picks import Pick, Selection, packed_selection, selection_of
from digest.issues.selection.selection import RULES, Pool, PoolProfile, SelectionWeights

__all__ = [
    "FEWEST",
    "RULES",
    "CachedIssue",
    "IssueCache",
    "Pick",
    "Pool",
    "PoolProfile",
    "Selection",
    "SelectionWeights",
    "SubscriberHistory",
    "histories",
    "packed_selection",
    "papers_for",
    "selection_of",
]

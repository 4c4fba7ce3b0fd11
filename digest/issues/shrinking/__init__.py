"""Deletes what old issues no longer need: papers that nobody was sent, and copies of papers."""

from digest.issues.shrinking.lists import count_whole_papers, shrink_old_lists
from digest.issues.shrinking.pools import WHOLE_FOR, shrink_old_pools

__all__ = ["WHOLE_FOR", "count_whole_papers", "shrink_old_lists", "shrink_old_pools"]

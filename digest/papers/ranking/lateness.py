"""Papers first seen too late for their own issue. Pure."""

from datetime import datetime

from digest.language import _, n_
from digest.papers.paper import Observed


def late_days(observed: Observed, previous_cut: datetime | None) -> int:
    """The number of days that a paper is late in the issue after `previous_cut`.

    A late paper was listed before that cut and first seen after it, so that it missed that issue and is in this one. It
    is not late again in the next issue. Without an issue before, nothing is late.
    """
    listed, seen = observed.paper.listed_at, observed.first_seen_at
    if previous_cut is None or listed is None or not listed <= previous_cut < seen:
        return 0
    return max(1, (seen.date() - listed.date()).days)


def lateness_text(days: int) -> str:
    """The note for subscribers; "" for a paper that is not late."""
    if not days:
        return ""
    if days == 1:
        return _("listed yesterday, new to us today")
    return n_("listed %(num)s day ago, new to us today", "listed %(num)s days ago, new to us today", num=days)

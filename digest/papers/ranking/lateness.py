"""Papers that were found too late for the issue they belonged to. Pure."""

from datetime import datetime

from digest.language import _, n_
from digest.papers.paper import Observed


def late_days(observed: Observed, previous_cut: datetime | None) -> int:
    """How many days a paper comes late in the issue after `previous_cut`; 0 when it does not.

    It was listed before that cut and first seen after it: it missed that issue and is carried into this one. In the
    next it is no longer late, since it was seen before that one's previous cut. Before the first issue nothing is late.
    """
    listed, seen = observed.paper.listed_at, observed.first_seen_at
    if previous_cut is None or listed is None or not listed <= previous_cut < seen:
        return 0
    return max(1, (seen.date() - listed.date()).days)


def in_words(days: int) -> str:
    """What a reader is told, "" of a paper that is not late."""
    if not days:
        return ""
    if days == 1:
        return _("listed yesterday, new to us today")
    return n_("listed %(num)s day ago, new to us today", "listed %(num)s days ago, new to us today", num=days)

"""Decides between hard, soft and none, from the action, the codes and the text of a report."""

from digest.bounces.reading import causes, codes
from digest.bounces.reading.cause import LASTING, Cause
from digest.bounces.report import ReportKind

_DELIVERED = ("delivered", "relayed", "expanded")


def judge(action: str, status: str | None, diagnostic: str, context: str = "") -> tuple[ReportKind, str | None]:
    """Return the kind and the most exact enhanced code of a failure or delay in a report or notice."""
    action = action.lower()
    best = best_status(status, diagnostic)
    if action.startswith(_DELIVERED) or (
        best and best.startswith("2.") and not action.startswith(("failed", "delayed"))
    ):
        return ReportKind.NONE, best
    if action.startswith("delayed") or _temporary(best, diagnostic):
        return ReportKind.SOFT, best
    why = causes.cause(best, diagnostic, context)
    if why is Cause.UNKNOWN and context:
        best = best_status(best, context)
        why = causes.cause(best, context, context)
    return (ReportKind.HARD if why in LASTING else ReportKind.SOFT), best


def best_status(status: str | None, diagnostic: str) -> str | None:
    """Return the more exact of two codes: the reporting server's, and that in the refusing server's reply."""
    inner = codes.enhanced(diagnostic)
    if status and inner and inner.startswith("2."):
        return status
    return max((code for code in (inner, status) if code), key=codes.exactness, default=None)


def _temporary(status: str | None, diagnostic: str) -> bool:
    reply = codes.reply(diagnostic)
    return (status or "")[:1] == "4" or (not status and (reply or "")[:1] == "4")


def may_last(diagnostic: str) -> bool:
    """False if the diagnostic names a cause other than the address."""
    return causes.cause(codes.enhanced(diagnostic), diagnostic, "RCPT TO") in (*LASTING, Cause.UNKNOWN)

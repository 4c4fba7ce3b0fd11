"""Text output of the backup commands."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from digest.text import minute_of

if TYPE_CHECKING:
    from digest.monitoring.backup.after_restore import Restored
    from digest.monitoring.backup.settle import Settlement


def restored_lines(result: "Restored", uncovered: str) -> Iterator[str]:
    repeated = result.repeated
    yield f"The database is as it was at {minute_of(result.backup.at)}, with these later changes applied:"
    yield (
        f"  {repeated.unsubscribed} unsubscribed, {repeated.deleted} deleted, {repeated.suppressed} suppressed again; "
        f"{repeated.sent} sent messages will not be sent again."
    )
    if result.lost_issues:
        yield f"  Cut after the backup, and no longer archived: {', '.join(result.lost_issues)}."
    if result.drafts:
        yield f"  Notices that were about to be sent are drafts again: {result.drafts}."
    yield from (
        f"  Paused: the issue of {issue}; {number} deliveries are waiting." for issue, number in result.paused.items()
    )
    yield from uncovered_lines(uncovered)
    yield "Operators have to sign in again. API tokens revoked after the backup are valid again: digest api-tokens list"
    if result.paused or uncovered:
        yield "Next: digest settle"


def uncovered_lines(uncovered: str) -> list[str]:
    """Lines about the time that the replay logs do not cover."""
    if not uncovered:
        return []
    lines = [f"  The replay logs do not cover {gap}." for gap in uncovered.split("; ")]
    return [
        *lines,
        "  It is unknown who unsubscribed or was deleted then, and what was sent. All email waits for digest settle.",
    ]


def settle_lines(plan: "Settlement") -> list[str]:
    lines = [
        f"{each.issue}: {each.unsent} deliveries were certainly not sent"
        + (f", {each.doubtful} may have been sent and will be skipped." if each.doubtful else ".")
        for each in plan.waiting
    ]
    return [*lines, *uncovered_lines(plan.backup.uncovered)] or ["No deliveries are waiting."]


def settlement_document(plan: "Settlement") -> dict[str, Any]:
    return {
        "backup": plan.backup.at,
        "restored_at": plan.backup.restored_at,
        "uncovered": plan.backup.uncovered,
        "waiting": [{"issue": each.issue, "unsent": each.unsent, "doubtful": each.doubtful} for each in plan.waiting],
    }

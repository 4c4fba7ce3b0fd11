"""The command audit: an issue's totals, the deliveries that were not accepted, and live progress."""

import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.lookup import open_database, stored_issue
from digest.cli.options import OfKind, date_option, day_of
from digest.cli.output import answer, progress, table, with_json
from digest.ledger.kinds import IssueKind

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from sqlalchemy import Engine

    from digest.issues.audit import Audit, AuditRow, Outlook

_SPEED_SECONDS = 10  # the period over which the rate is measured
_CALM = 10  # counting takes at most 10 % of the time, even for large issues


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    app.command(rich_help_panel="Deliveries")(with_json(audit))


def audit(
    day: Annotated[date | None, date_option("--issue --date", "Date of the issue.", "every issue")] = None,
    kind: OfKind = IssueKind.DAILY,
    rows: Annotated[bool, typer.Option("--rows", help="List the deliveries not accepted, with reasons.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="With --rows: list at most this many.")] = None,
    offset: Annotated[int, typer.Option("--offset", min=0, help="With --rows: skip this many first.")] = 0,
    watch: Annotated[bool, typer.Option("--watch", help="Follow the issue until it is sent.")] = False,
) -> None:
    """Account for every delivery of an issue. Exit code 1 when the sums do not add up."""
    engine = open_database()
    if watch:
        day = day_of(day)
        _watch(engine, day, kind)
    audits = _audits(engine, day, kind)
    why = [_explained(engine, audit_, limit, offset) if rows else None for audit_ in audits]
    documents = [_document(audit_, its_rows) for audit_, its_rows in zip(audits, why, strict=True)]
    document: object = documents[0] if day is not None else documents
    answer(document, lambda: _lines(audits, why))
    if any(audit_.unexplained for audit_ in audits):
        sys.exit(1)


def _audits(engine: "Engine", day: date | None, kind: IssueKind) -> list["Audit"]:
    from digest.database.engine import read_only
    from digest.issues.audit import audit as audit_of
    from digest.issues.audit import audit_all

    issue = stored_issue(engine, day, kind) if day is not None else None
    with read_only(engine) as connection:
        return [audit_of(connection, issue.id)] if issue else audit_all(connection)


def _explained(engine: "Engine", audit_: "Audit", limit: int | None, offset: int) -> list["AuditRow"]:
    from digest.database.engine import read_only
    from digest.issues.audit import explained

    with read_only(engine) as connection:
        return explained(connection, audit_.issue_id, limit, offset)


def _document(audit_: "Audit", rows: "list[AuditRow] | None") -> dict[str, Any]:
    return audit_.as_dict() | ({} if rows is None else {"rows": [asdict(row) for row in rows]})


def _lines(audits: Sequence["Audit"], why: "Sequence[list[AuditRow] | None]") -> Iterator[str]:
    if not audits:
        yield "No delivery was ever queued."
    for audit_, rows in zip(audits, why, strict=True):
        yield f"{f'Issue of {audit_.issue}' if audit_.issue else 'Other deliveries'}: {audit_.candidates}"
        for name, count in audit_.as_dict().items():
            if isinstance(count, int) and count and name != "candidates":
                yield f"  {count:>7} {name}"
        for reason, count in audit_.skipped.items():
            yield f"  {count:>7} skipped: {reason}"
        if rows:
            cells = [(row.recipient, row.address or "(erased)", row.state, row.why) for row in rows]
            yield from (f"  {line}" for line in table([("key", "address", "state", "why"), *cells]))


# --- live ---


def _watch(engine: "Engine", day: date, kind: IssueKind) -> None:
    """A line each second, rewritten on a terminal, until no delivery of the issue is left."""
    from digest import clock
    from digest.database.engine import read_only
    from digest.issues.audit import audit as audit_of
    from digest.issues.audit import outlook
    from digest.mail.pauses import EVERYTHING, current

    issue = stored_issue(engine, day, kind)
    seen: deque[tuple[float, int]] = deque()
    while True:
        started = time.monotonic()
        with read_only(engine) as connection:
            sums, left = audit_of(connection, issue.id), outlook(connection, issue.id)
            paused = [pause for pause in current(connection, clock.now()) if pause.scope == EVERYTHING]
        seen.append((started, sums.accepted))
        halted = f"all sending is paused: {paused[0].reason}" if paused else left.halted
        _show(_watch_line(sums, left, _speed(seen), clock.now(), halted), last=not left.deliveries)
        if not left.deliveries:
            return
        time.sleep(max(1.0, _CALM * (time.monotonic() - started)))


def _speed(seen: "deque[tuple[float, int]]") -> float:
    """The recent rate of accepted messages per second, from the counts at several instants."""
    while len(seen) > 2 and seen[0][0] < seen[-1][0] - _SPEED_SECONDS:
        seen.popleft()
    (first, before), (last, now) = seen[0], seen[-1]
    return (now - before) / (last - first) if last > first else 0.0


def _watch_line(sums: "Audit", left: "Outlook", speed: float, now: datetime, halted: str) -> str:
    parts = [f"{sums.accepted}/{sums.candidates} accepted", f"{speed:.0f} messages/s"]
    for count, what in ((sums.deferred, "deferred"), (sums.refused, "refused"), (sums.uncertain, "in doubt")):
        parts += [f"{count} {what}"] if count else []
    parts.append(halted if halted and left.deliveries else _expected_end(left, speed, now))
    return " · ".join(parts)


def _expected_end(left: "Outlook", speed: float, now: datetime) -> str:
    """When the last mail will be done: not before it is due, and not before those in front of it are."""
    if not left.deliveries:
        return "done"
    last = left.last_attempt_at or now
    if speed:
        last = max(last, now + timedelta(seconds=left.deliveries / speed))
    elif last <= now:
        return f"{left.deliveries} to come"
    return f"{left.deliveries} to come, the last about {last:%Y-%m-%d %H:%M} UTC"


def _show(line: str, last: bool) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line}\x1b[K" + ("\n" if last else ""))
        sys.stderr.flush()
    else:
        progress(line)

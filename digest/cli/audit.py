"""The command audit: what became of every mail, why each that was not accepted waits or ended, and live progress."""

import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest.cli.lookup import open_database, stored_issue
from digest.cli.options import Json, Which, the_day
from digest.cli.output import answer, progress, table
from digest.ledger.kinds import IssueKind

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from sqlalchemy import Engine

    from digest.issues.audit import Audit, AuditRow, Outlook

_SPEED_SECONDS = 10  # mails a second are counted over the last so many
_CALM = 10  # counting takes at most a tenth of the time, however large the issue


def add_to(app: typer.Typer) -> None:
    """Add this file's commands to `app`."""
    app.command(rich_help_panel="Mails")(audit)


def audit(
    day: Annotated[
        str | None, typer.Option("--issue", metavar="DATE", help="The issue; all of them when left out.")
    ] = None,
    kind: Which = IssueKind.DAILY,
    rows: Annotated[bool, typer.Option("--rows", help="Also every mail that was not accepted, and why.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, help="With --rows: so many of them at the most.")
    ] = None,
    offset: Annotated[int, typer.Option("--offset", min=0, help="With --rows: leave out so many first.")] = 0,
    watch: Annotated[bool, typer.Option("--watch", help="Show how the issue goes out, until all is done.")] = False,
    as_json: Json = False,
) -> None:
    """What became of every mail of an issue. Exit code 1 when the sums do not add up."""
    from digest import clock

    engine = open_database()
    if watch:
        day = day or clock.now().date().isoformat()
        _watch(engine, day, kind)
    audits = _audits(engine, day, kind)
    why = [_explained(engine, one, limit, offset) if rows else None for one in audits]
    documents = [_document(one, its_rows) for one, its_rows in zip(audits, why, strict=True)]
    document: object = documents[0] if day is not None else documents
    answer(as_json, document, lambda: _lines(audits, why))
    if any(one.unexplained for one in audits):
        sys.exit(1)


def _audits(engine: "Engine", day: str | None, kind: IssueKind) -> list["Audit"]:
    from digest import clock
    from digest.database.engine import read_only
    from digest.issues.audit import audit as audit_of
    from digest.issues.audit import audit_all

    issue = stored_issue(engine, the_day(day, clock.now()), kind) if day is not None else None
    with read_only(engine) as connection:
        return [audit_of(connection, issue.id)] if issue else audit_all(connection)


def _explained(engine: "Engine", one: "Audit", limit: int | None, offset: int) -> list["AuditRow"]:
    from digest.database.engine import read_only
    from digest.issues.audit import explained

    with read_only(engine) as connection:
        return explained(connection, one.issue_id, limit, offset)


def _document(one: "Audit", rows: "list[AuditRow] | None") -> dict[str, Any]:
    return one.as_dict() | ({} if rows is None else {"rows": [asdict(row) for row in rows]})


def _lines(audits: Sequence["Audit"], why: "Sequence[list[AuditRow] | None]") -> Iterator[str]:
    if not audits:
        yield "No mail was ever queued."
    for one, rows in zip(audits, why, strict=True):
        yield f"Issue of {one.issue}: {one.candidates} mails" if one.issue else f"Other mails: {one.candidates}"
        for name, count in one.as_dict().items():
            if isinstance(count, int) and count and name != "candidates":
                yield f"  {count:>7} {name}"
        for reason, count in one.skipped.items():
            yield f"  {count:>7} skipped: {reason}"
        if rows:
            cells = [(row.recipient, row.address or "(erased)", row.state, row.why) for row in rows]
            yield from (f"  {line}" for line in table([("key", "address", "state", "why"), *cells]))


# --- live ---


def _watch(engine: "Engine", day: str, kind: IssueKind) -> None:
    """A line each second (one that changes, on a terminal) until nothing of the issue waits or is in hand."""
    from digest import clock
    from digest.database.engine import read_only
    from digest.issues.audit import audit as audit_of
    from digest.issues.audit import outlook
    from digest.mail.pauses import EVERYTHING, current

    issue = stored_issue(engine, the_day(day, clock.now()), kind)
    seen: deque[tuple[float, int]] = deque()
    while True:
        started = time.monotonic()
        with read_only(engine) as connection:
            sums, left = audit_of(connection, issue.id), outlook(connection, issue.id)
            paused = [one for one in current(connection, clock.now()) if one.scope == EVERYTHING]
        seen.append((started, sums.accepted))
        halted = f"all sending is paused: {paused[0].reason}" if paused else left.halted
        _show(_watch_line(sums, left, _speed(seen), clock.now(), halted), last=not left.mails)
        if not left.mails:
            return
        time.sleep(max(1.0, _CALM * (time.monotonic() - started)))


def _speed(seen: "deque[tuple[float, int]]") -> float:
    """Mails a second that the server took lately, by how many were accepted at which second."""
    while len(seen) > 2 and seen[0][0] < seen[-1][0] - _SPEED_SECONDS:
        seen.popleft()
    (first, before), (last, now) = seen[0], seen[-1]
    return (now - before) / (last - first) if last > first else 0.0


def _watch_line(sums: "Audit", left: "Outlook", speed: float, now: datetime, halted: str) -> str:
    parts = [f"{sums.accepted}/{sums.candidates} accepted", f"{speed:.0f} mails/s"]
    for count, what in ((sums.deferred, "deferred"), (sums.refused, "refused"), (sums.uncertain, "in doubt")):
        parts += [f"{count} {what}"] if count else []
    parts.append(halted if halted and left.mails else _expected_end(left, speed, now))
    return " · ".join(parts)


def _expected_end(left: "Outlook", speed: float, now: datetime) -> str:
    """When the last mail will be done: not before it is due, and not before those in front of it are."""
    if not left.mails:
        return "done"
    last = left.last_attempt_at or now
    if speed:
        last = max(last, now + timedelta(seconds=left.mails / speed))
    elif last <= now:
        return f"{left.mails} to come"
    return f"{left.mails} to come, the last about {last:%Y-%m-%d %H:%M} UTC"


def _show(line: str, last: bool) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{line}\x1b[K" + ("\n" if last else ""))
        sys.stderr.flush()
    else:
        progress(line)

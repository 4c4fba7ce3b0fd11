"""Processes a Maildir full of reports, made from labelled samples, with the scheduler's job."""

import re
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select, update

from benchmarks.year import FIRST, add_papers, add_subscribers, installation
from digest import wiring
from digest.bounces.reading import read
from digest.bounces.report import ReportKind
from digest.database.engine import read_only, transaction
from digest.database.tables import bounce_counts, bounces, deliveries, subscribers
from digest.issues.publish import publish
from digest.ledger.kinds import State
from digest.mail.return_paths import AddressPurpose, SignedAddress
from digest.settings import Settings
from workers.scheduler import Jobs

_ADDRESS = "bounces@example.org"


def measure_flood(samples: Sequence[bytes], count: int) -> dict[str, Any]:
    """Send an issue to `count` subscribers, report each message with one of `samples`, and process the reports."""
    usable = [(message, recipient) for message in samples if (recipient := _recipient(message))]
    with (
        tempfile.TemporaryDirectory(prefix="maildir-") as name,
        installation(bounce_address=_ADDRESS, bounce_maildir=name) as (settings, engine),
    ):
        folder = Path(name)
        for part in ("new", "cur", "tmp"):
            (folder / part).mkdir()
        for number, message in enumerate(_reports(engine, settings, usable, count)):
            (folder / "new" / f"{number:09}.bench").write_bytes(message)
        jobs = Jobs(settings, engine, hint=lambda _: None)
        began, cpu = time.monotonic(), time.process_time()
        while any((folder / "new").iterdir()):
            jobs.bounces()
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
        return {
            "reports": count,
            "samples": len(usable),
            "seconds": round(seconds, 1),
            "cpu_seconds": round(cpu, 1),
            "reports_per_minute": round(60 * count / seconds),
            **_outcomes(engine),
        }


def _recipient(message: bytes) -> bytes | None:
    """Return the recipient of a sample with exactly one failure or complaint, which names it."""
    if message.startswith(b"From "):
        return None
    reports = read(message)
    if len(reports) != 1 or reports[0].kind is ReportKind.NONE or not reports[0].recipient:
        return None
    recipient = reports[0].recipient.encode()
    again = read(_readdressed(message, recipient, "someone@example.com", _ADDRESS))
    return recipient if [report.recipient for report in again] == ["someone@example.com"] else None


def _readdressed(message: bytes, recipient: bytes, email: str, sender: str) -> bytes:
    return f"X-Original-To: {sender}\n".encode() + re.sub(
        re.escape(recipient), email.encode(), message, flags=re.IGNORECASE
    )


def _reports(engine: Engine, settings: Settings, usable: Sequence[tuple[bytes, bytes]], count: int) -> Iterator[bytes]:
    """Yield a report for each message of an issue that was accepted."""
    now = datetime.combine(FIRST, time_of_day(6), tzinfo=UTC)
    add_subscribers(engine, count)
    add_papers(engine, FIRST)
    publish(engine, wiring.plan(settings), FIRST, now)
    with transaction(engine) as connection:
        connection.execute(update(deliveries).values(state=str(State.ACCEPTED), finished_at=now, composed_at=now))
        query = select(deliveries.c.id, subscribers.c.email).join(
            subscribers, subscribers.c.id == deliveries.c.subscriber_id
        )
        rows = connection.execute(query).all()
    senders = SignedAddress(AddressPurpose.BOUNCE, _ADDRESS, settings.secret_keys)
    for number, (delivery_id, email) in enumerate(rows):
        message, recipient = usable[number % len(usable)]
        yield _readdressed(message, recipient, email, senders.of(delivery_id))


def _outcomes(engine: Engine) -> dict[str, dict[str, int]]:
    with read_only(engine) as connection:
        proofs = select(bounce_counts.c.proof, func.sum(bounce_counts.c.reports)).group_by(bounce_counts.c.proof)
        effects = select(bounces.c.effect, func.count()).group_by(bounces.c.effect)
        return {
            "proofs": dict(connection.execute(proofs).tuples().all()),
            "effects": dict(connection.execute(effects).tuples().all()),
        }

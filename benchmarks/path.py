"""Which files of digest/ one message passes through, from its claim to its record.

`python -m benchmarks.path [--json]`: a real worker on PostgreSQL, warm from other messages of the same issue, delivers
one digest to an SMTP server in this process. A file counts if any of its functions runs, on any thread.
"""

import argparse
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Engine, func, select, update

import digest
from benchmarks.command import command, run
from benchmarks.installation import own_folder
from benchmarks.servers import running_postgres
from benchmarks.world import SECRET, add_papers, add_subscribers, cut
from digest import wiring
from digest.database.engine import transaction
from digest.database.tables import deliveries
from digest.ledger.sending import MessageRecord
from digest.mail.delivery.worker import DeliveryWorker
from digest.settings import Settings
from tests.support.smtp_server import SmtpServer

_ROOT = Path(digest.__file__).parent
_READERS = 40  # of whom the last one's message is traced
MOST_FILES = 25


def main() -> None:
    run(
        command("path", __doc__).parse_args(),
        _measure,
        lambda found: found["delivered"] == 1 and found["count"] <= MOST_FILES,
    )


class Trace:
    """The files whose functions run between the begin of a claim and the end of the record stage that follows."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self._is_on = False
        # Threads that start from now on are traced as well.
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def watch(self, worker: DeliveryWorker) -> None:
        claim, record = worker.claim, worker.record

        def traced_claim(limit: int) -> Any:
            was_on, self._is_on = self._is_on, True
            claims = claim(limit)
            self._is_on = was_on or bool(claims)
            return claims

        def traced_record(next_window: Sequence[MessageRecord] = ()) -> set[int]:
            may_go = record(next_window)
            self._is_on = self._is_on and bool(next_window)
            return may_go

        worker.claim, worker.record = traced_claim, traced_record  # type: ignore[method-assign]

    def paths(self) -> list[str]:
        inside = (Path(name) for name in self.files if name.startswith(str(_ROOT)))
        return sorted(str(path.relative_to(_ROOT.parent)) for path in inside)

    def _note(self, frame: FrameType, event: str, _argument: Any) -> None:
        if self._is_on and event == "call":
            self.files.add(frame.f_code.co_filename)


def _measure(asked: argparse.Namespace) -> dict[str, Any]:
    trace = Trace()
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder(asked.keep))
        database = stack.enter_context(running_postgres()).make("path")
        server = stack.enter_context(SmtpServer())
        settings = Settings(
            secret_key=SecretStr(SECRET),
            database_url=SecretStr(database),
            smtp_url=SecretStr(server.url),
            data_dir=folder,
            smtp_connections=1,  # which is open when the traced message comes
        )
        engine = wiring.engine(settings)
        stack.callback(engine.dispose)
        _fill(engine, database, settings)
        worker = stack.enter_context(closing(wiring.postman(settings, engine)))
        _deliver_all_but_one(engine, worker)
        trace.watch(worker)
        delivered = worker.deliver_due(1).handled
    paths = trace.paths()
    return {"delivered": delivered, "count": len(paths), "files": paths if asked.json else "\n  ".join(["", *paths])}


def _fill(engine: Engine, database: str, settings: Settings) -> None:
    today = datetime.now(UTC).date()
    add_papers(engine, today)
    add_subscribers(database, range(1, _READERS + 1), today)
    cut(engine, settings, today)


def _deliver_all_but_one(engine: Engine, worker: DeliveryWorker) -> None:
    with transaction(engine) as connection:
        last = connection.execute(select(func.max(deliveries.c.id))).scalar_one()
        due = connection.execute(select(deliveries.c.next_attempt_at).where(deliveries.c.id == last)).scalar_one()
        later = update(deliveries).where(deliveries.c.id == last).values(next_attempt_at=due + timedelta(days=9))
        connection.execute(later)
    worker.deliver_due(_READERS)
    with transaction(engine) as connection:
        connection.execute(update(deliveries).where(deliveries.c.id == last).values(next_attempt_at=due))


if __name__ == "__main__":
    main()

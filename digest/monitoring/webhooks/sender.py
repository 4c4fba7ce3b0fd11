"""Sends what is due in the outbox: a thread for each endpoint, so that none waits for another.

The first live process does it, like the alarms; the others take over when its heartbeat stops.
"""

import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from digest import clock
from digest.database.engine import connect, problem_of, read_only, retry_transaction, transaction
from digest.ledger.outbox import EventType, new_webhook_id
from digest.monitoring.heartbeats import Role, first_alive, this_process
from digest.monitoring.webhooks.endpoints import Endpoint, by_id, secret_of
from digest.monitoring.webhooks.events import Attempt, claim, due_endpoints, is_resting, record, release
from digest.monitoring.webhooks.message import OutgoingEvent, body_of, headers_of
from digest.monitoring.webhooks.post import Poster, WebhookAnswer
from digest.settings import Settings

log = structlog.get_logger()

LOOKS_EVERY = 1.0  # seconds
_ASKS_EVERY = 15.0  # whether this process is the first
_BATCH = 20
_BATCH_SECONDS = 60.0  # with one attempt more it stays below the lease
_PATIENCE = 5.0  # seconds for the database


class WebhookSender:
    """Sends to every endpoint for which something is due."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._key = settings.secret_keys[-1]  # the oldest, which is never replaced
        self._networks = settings.webhook_networks
        self._threads: dict[int, threading.Thread] = {}

    def look(self) -> None:
        """Start a thread for each endpoint that has something due and no thread yet."""
        self._threads = {number: thread for number, thread in self._threads.items() if thread.is_alive()}
        with read_only(self._engine) as connection:
            due = due_endpoints(connection, clock.now())
        for endpoint_id in due:
            if endpoint_id not in self._threads:
                thread = threading.Thread(target=self._run, args=(endpoint_id,), name="webhook", daemon=True)
                self._threads[endpoint_id] = thread
                thread.start()

    def finish(self) -> None:
        """Wait until the threads have sent what was due."""
        for thread in self._threads.values():
            thread.join()

    def _run(self, endpoint_id: int) -> None:
        try:
            while self.send_batch(endpoint_id):
                pass
        except (SQLAlchemyError, OSError) as problem:
            log.warning("webhooks wait for the database", problem=problem_of(problem), every=60)
        except Exception:
            log.exception("webhooks could not be sent", endpoint=endpoint_id, every=600)

    def send_batch(self, endpoint_id: int) -> bool:
        """Send some events to an endpoint. Returns True if it should get more now."""
        now = clock.now()
        with transaction(self._engine) as connection:
            endpoint = by_id(connection, endpoint_id, now)
            if endpoint is None or endpoint.disabled_at or (endpoint.resting_until and endpoint.resting_until > now):
                return False
            events = claim(connection, endpoint_id, now, _BATCH)
        if not events:
            return False
        secrets = [secret_of(self._key, salt) for salt in endpoint.salts]
        attempts: list[Attempt] = []
        end = time.monotonic() + _BATCH_SECONDS
        with Poster(endpoint.url, self._networks) as poster:
            for event in events:
                attempts.append(_attempt(poster, event, secrets))
                rests = is_resting(attempts, endpoint.failures)
                if rests or time.monotonic() > end:
                    break
        unsent = [event.id for event in events[len(attempts) :]]

        def store(connection: Connection) -> None:
            record(connection, endpoint_id, attempts)
            if unsent:
                release(connection, unsent)

        retry_transaction(self._engine, store)
        _report(endpoint, attempts)
        return not rests


def _attempt(poster: Poster, event: OutgoingEvent, secrets: list[str]) -> Attempt:
    body = body_of(event)
    # Receivers compare the time in the headers with their own clock, which a simulation does not move.
    answer = poster.post(body, headers_of(event.webhook_id, body, secrets, datetime.now(UTC)))
    return Attempt(event, clock.now(), answer)


def send_test(endpoint: Endpoint, settings: Settings) -> tuple[str, WebhookAnswer]:
    """Send a test event now, past the outbox. Returns its id and the answer."""
    event = OutgoingEvent(0, new_webhook_id(), EventType.TEST, clock.now(), {}, 0)
    secrets = [secret_of(settings.secret_keys[-1], salt) for salt in endpoint.salts]
    with Poster(endpoint.url, settings.webhook_networks) as poster:
        return event.webhook_id, _attempt(poster, event, secrets).answer


def _report(endpoint: Endpoint, attempts: Sequence[Attempt]) -> None:
    failed = [attempt.answer for attempt in attempts if not attempt.answer.is_success]
    log.info("webhooks sent", endpoint=endpoint.id, delivered=len(attempts) - len(failed), failed=len(failed))
    if failed:
        log.warning(
            "an endpoint fails", endpoint=endpoint.id, host=endpoint.host, problem=failed[-1].in_words, every=600
        )


class WebhookThread:
    """Looks each second until the end of the block, while this process is the first alive. Start it after a fork."""

    def __init__(self, settings: Settings, role: Role) -> None:
        self._engine = connect(settings.database, patience=_PATIENCE)
        self._sender = WebhookSender(self._engine, settings)
        self._process = this_process(role)
        self._asks_at = 0.0  # on the monotonic clock
        self._is_first = False
        self._is_ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._is_ending.set()  # an attempt under way is not waited for: its event is sent again after its lease

    def _run(self) -> None:
        while not self._is_ending.wait(LOOKS_EVERY):
            try:
                if self._is_mine():
                    self._sender.look()
            except (SQLAlchemyError, OSError):
                self._asks_at = 0.0  # those who need the database report its outage
            except Exception:
                log.exception("the outbox could not be read", every=600)

    def _is_mine(self) -> bool:
        if time.monotonic() >= self._asks_at:
            with read_only(self._engine) as connection:
                self._is_first = first_alive(connection) == self._process
            self._asks_at = time.monotonic() + _ASKS_EVERY
            if not self._is_first:
                self._engine.dispose()  # no connection is kept for a look in 15 seconds
        return self._is_first

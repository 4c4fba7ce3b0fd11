"""Endpoints that are receivers on this machine."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from digest.database.engine import transaction
from digest.ledger.outbox import CHOSEN_TYPES
from digest.monitoring.webhooks.endpoints import Endpoint, add
from digest.monitoring.webhooks.sender import WebhookSender
from digest.settings import Settings
from tests.support.scenario import MORNING, SECRET
from tests.support.webhook_receiver import Receiver, receiving

INSIDE = Settings(secret_key=SECRET.decode(), webhook_networks="127.0.0.0/8")
NOW = MORNING


def add_endpoint(engine: Engine, url: str, *types: str) -> Endpoint:
    """An endpoint for these types of event, or for all."""
    with transaction(engine) as connection:
        return add(connection, url, types or CHOSEN_TYPES, "", NOW)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def send(engine, clock) -> Callable[[], None]:
    """Sends what is due now, at all endpoints."""
    clock.move_to(NOW)
    sender = WebhookSender(engine, INSIDE)

    def send() -> None:
        sender.look()
        sender.finish()

    return send

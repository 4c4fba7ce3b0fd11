"""A request that was typed into a form is carried out once, also if the process that took it ends."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, func, select

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, form_requests
from digest.ledger.kinds import Kind
from digest.subscribers.form_requests import FormRequest, carry_out, carry_out_left_over, store_request

SECRET = b"a-secret-of-at-least-thirty-two-characters"
NOW = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


def stored(engine: Engine) -> FormRequest:
    request = FormRequest(Kind.CONFIRMATION, "ada@example.org", NOW, "", "web 1", "Europe/Paris", "en")
    with transaction(engine) as connection:
        store_request(connection, request)
    return request


def count(engine: Engine) -> tuple[int, int]:
    """Requests that wait, and messages that are queued."""
    with read_only(engine) as connection:
        sizes = [connection.scalar(select(func.count()).select_from(table)) for table in (form_requests, deliveries)]
    return sizes[0] or 0, sizes[1] or 0


def test_a_request_is_carried_out_once(engine: Engine) -> None:
    request = stored(engine)
    assert carry_out(engine, request, SECRET)
    with transaction(engine) as connection:
        connection.execute(delete(deliveries))  # or the limits of a mailbox would prevent a second message
    assert not carry_out(engine, request, SECRET)
    assert count(engine) == (0, 0)


def test_what_an_ended_process_left_over_is_carried_out_after_a_minute(engine: Engine) -> None:
    stored(engine)
    assert carry_out_left_over(engine, SECRET, NOW + timedelta(seconds=30)) == 0
    assert carry_out_left_over(engine, SECRET, NOW + timedelta(seconds=90)) == 1
    assert count(engine) == (0, 1)

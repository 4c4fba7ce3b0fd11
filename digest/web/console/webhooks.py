"""Endpoints of webhooks: adding and changing them, and what was sent to each. A secret is shown once."""

from datetime import UTC, datetime, time
from typing import Annotated

from fastapi import HTTPException, Path, Response
from sqlalchemy import Connection

from digest import clock
from digest.database.engine import read_only, transaction
from digest.ledger.outbox import CHOSEN_TYPES, EventType, NewEvent, publish_to
from digest.monitoring.webhooks import endpoints, events
from digest.monitoring.webhooks.endpoints import Endpoint, InvalidEndpoint
from digest.subscribers.preferences import Form, value
from digest.text import parse_date
from digest.web.console.access import AnyRole, ConsoleRouter, OperatorOnly, Visitor, go_to
from digest.web.console.actions import reason_in
from digest.web.console.past_issues import Before
from digest.web.site import Posted

router = ConsoleRouter()

_ROWS = 50
_ENDPOINT = "/webhooks/{number}"
Number = Annotated[int, Path(ge=1, le=2**62)]


@router.page("/webhooks")
def list_endpoints(visitor: AnyRole) -> Response:
    return _list(visitor)


def _list(visitor: Visitor, code: int = 200, problem: str = "", form: Form | None = None) -> Response:
    with read_only(visitor.site.engine) as connection:
        listed = endpoints.all_endpoints(connection, clock.now())
        backlogs = endpoints.backlogs(connection, listed)
    form = form or {}
    return visitor.show(
        "webhooks",
        code,
        endpoints=[(each, backlogs[each.id]) for each in listed],
        types=[(each.value, not form or each.value in form.get("events", ())) for each in CHOSEN_TYPES],
        problem=problem,
        url=value(form, "url")[: endpoints.LONGEST_URL],
        description=value(form, "description")[: endpoints.LONGEST_DESCRIPTION],
        longest_url=endpoints.LONGEST_URL,
        longest_description=endpoints.LONGEST_DESCRIPTION,
    )


@router.action("/webhooks/add")
def add_endpoint(visitor: OperatorOnly, form: Posted) -> Response:
    """Show the new endpoint with its secret, which no other page does."""
    try:
        url = endpoints.checked_url(value(form, "url"), visitor.site.settings.webhook_networks)
        with transaction(visitor.site.engine) as connection:
            added = endpoints.add(connection, url, form.get("events", []), value(form, "description"), clock.now())
    except InvalidEndpoint as problem:
        return _list(visitor, 400, str(problem), form)
    return _secret_page(visitor, added, f"Endpoint {added.id} is added")


@router.page(_ENDPOINT)
def show_endpoint(visitor: AnyRole, number: Number, before: Before = None) -> Response:
    """An endpoint with its newest events."""
    with read_only(visitor.site.engine) as connection:
        endpoint = _stored(connection, number)
        backlog = endpoints.backlogs(connection, [endpoint])[number]
        rows = events.stored_events(connection, _ROWS + 1, number, before=before)
    return visitor.show(
        "webhook",
        endpoint=endpoint,
        backlog=backlog,
        events=rows[:_ROWS],
        older=rows[_ROWS - 1].id if len(rows) > _ROWS else None,
        today=clock.now().date(),
    )


@router.action(_ENDPOINT + "/disable")
def disable_endpoint(visitor: OperatorOnly, form: Posted, number: Number) -> Response:
    with transaction(visitor.site.engine) as connection:
        changed = endpoints.disable(connection, _stored(connection, number).id, clock.now(), reason_in(form))
    return _back_to(visitor, number, "webhook-disabled" if changed else "unchanged")


@router.action(_ENDPOINT + "/enable")
def enable_endpoint(visitor: OperatorOnly, number: Number) -> Response:
    with transaction(visitor.site.engine) as connection:
        changed = endpoints.enable(connection, _stored(connection, number).id, clock.now())
    return _back_to(visitor, number, "webhook-enabled" if changed else "unchanged")


@router.action(_ENDPOINT + "/rotate")
def rotate_secret(visitor: OperatorOnly, number: Number) -> Response:
    with transaction(visitor.site.engine) as connection:
        endpoint = endpoints.rotate(connection, _stored(connection, number).id, clock.now())
    if endpoint is None:
        raise HTTPException(404)
    return _secret_page(visitor, endpoint, f"Endpoint {number} has a new secret")


@router.action(_ENDPOINT + "/test")
def send_test(visitor: OperatorOnly, number: Number) -> Response:
    """Put a test into the outbox, from where it is sent within seconds: no page waits for another program."""
    now = clock.now()
    with transaction(visitor.site.engine) as connection:
        publish_to(connection, _stored(connection, number).id, EventType.TEST, now, NewEvent())
        endpoints.record(connection, now, number, "webhook tested", {})
    return _back_to(visitor, number, "webhook-tested")


@router.action(_ENDPOINT + "/replay")
def replay(visitor: OperatorOnly, form: Posted, number: Number) -> Response:
    """Send one event again, or with a day all that failed since."""
    now, since = clock.now(), parse_date(value(form, "since"))
    with transaction(visitor.site.engine) as connection:
        endpoint = _stored(connection, number)
        if event := value(form, "event"):
            count = events.replay(connection, event[:40], now, endpoint.id)
        elif since is not None:
            count = events.replay_failed(connection, endpoint.id, datetime.combine(since, time(), UTC), now)
        else:
            raise HTTPException(400)
        if count:
            endpoints.record(connection, now, number, "webhook events replayed", {"events": count})
    return _back_to(visitor, number, "webhook-replayed" if count else "unchanged")


@router.page(_ENDPOINT + "/remove")
def ask_before_removing(visitor: AnyRole, number: Number) -> Response:
    with read_only(visitor.site.engine) as connection:
        endpoint = _stored(connection, number)
        backlog = endpoints.backlogs(connection, [endpoint])[number]
    return visitor.show(
        "sure",
        heading=f"Remove endpoint {number}?",
        facts=[
            f"{endpoint.shown_url} gets nothing more. {backlog.pending:,} events that wait for it are deleted.",
            "This can’t be undone; a new endpoint has another secret.",
        ],
        action=f"/webhooks/{number}/remove",
        button="Remove this endpoint",
        asks_why=False,
    )


@router.action(_ENDPOINT + "/remove")
def remove_endpoint(visitor: OperatorOnly, number: Number) -> Response:
    with transaction(visitor.site.engine) as connection:
        changed = endpoints.remove(connection, number, clock.now())
    return go_to(visitor.site, f"/webhooks?done={'webhook-removed' if changed else 'unchanged'}")


def _stored(connection: Connection, number: int) -> Endpoint:
    """Raises HTTPException 404 for an endpoint that does not exist."""
    endpoint = endpoints.by_id(connection, number, clock.now())
    if endpoint is None:
        raise HTTPException(404)
    return endpoint


def _back_to(visitor: Visitor, number: int, done: str) -> Response:
    return go_to(visitor.site, f"/webhooks/{number}?done={done}")


def _secret_page(visitor: Visitor, endpoint: Endpoint, heading: str) -> Response:
    secret = endpoints.secret_of(visitor.site.secret, endpoint.salts[0])
    return visitor.show("webhook_secret", heading=heading, endpoint=endpoint, secret=secret)

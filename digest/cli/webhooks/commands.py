"""The commands webhooks …: endpoints of other programs, and what was sent to them."""

from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import clock
from digest.cli.lookup import open_database, reading
from digest.cli.options import DryRun, Why, date_option, number_parser
from digest.cli.output import NotReady, answer, report, table, with_json
from digest.settings import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection

    from digest.monitoring.webhooks.endpoints import Backlog, Endpoint
    from digest.monitoring.webhooks.events import StoredEvent

webhooks = typer.Typer(help="Other programs that are told of events.", no_args_is_help=True)

_number = number_parser("digest webhooks list")
Number = Annotated[int, typer.Argument(metavar="ENDPOINT", parser=_number, help="Number of the endpoint.")]
_TYPES = (
    "subscriber.subscribed, subscriber.unsubscribed, subscriber.address_changed, message.bounced, issue.cut, "
    "issue.finished"
)


@webhooks.command()
@with_json
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Address that gets events by POST.")],
    events: Annotated[str, typer.Option("--events", help=f"Events, separated by commas: {_TYPES}.")] = "",
    description: Annotated[str, typer.Option(help="Purpose, for the list of endpoints.")] = "",
    dry_run: DryRun = False,
) -> None:
    """Add an endpoint, for all events or some, and print its secret: it is not shown again."""
    from digest.ledger.outbox import CHOSEN_TYPES
    from digest.monitoring.webhooks import endpoints

    chosen = events.replace(",", " ").split() if events else CHOSEN_TYPES
    try:
        checked = endpoints.checked_url(url, settings().webhook_networks)
        with _changing(dry_run) as connection:
            endpoint = endpoints.add(connection, checked, chosen, description, clock.now())
    except endpoints.InvalidEndpoint as problem:
        raise typer.BadParameter(str(problem)) from None
    if dry_run:
        return report(_document(endpoint) | {"id": None, "dry_run": True}, f"{endpoint.shown_url} would be added.")
    secret = endpoints.secret_of(settings().secret_keys[-1], endpoint.salts[0])
    return answer(
        _document(endpoint) | {"secret": secret, "dry_run": False},
        lambda: [f"Endpoint {endpoint.id} is added. Its secret, which is not shown again:", secret],
    )


@webhooks.command("list")
@with_json
def list_endpoints() -> None:
    """List the endpoints, with the events that wait for them or failed."""
    from digest.monitoring.webhooks import endpoints

    with reading() as connection:
        listed = endpoints.all_endpoints(connection, clock.now())
        backlogs = endpoints.backlogs(connection, listed)
    rows = [("endpoint", "address", "state", "waiting", "failed", "description")]
    for each in listed:
        backlog = backlogs[each.id]
        rows.append(
            (str(each.id), each.shown_url, _state(each), str(backlog.pending), str(backlog.failed), each.description)
        )
    documents = [_document(each) | _counts(backlogs[each.id]) for each in listed]
    answer(
        documents, lambda: table(rows) if listed else ["There are no endpoints. To add one: digest webhooks add URL"]
    )


@webhooks.command()
@with_json
def remove(number: Number, dry_run: DryRun = False) -> None:
    """Remove an endpoint, with the events that wait for it."""
    from digest.monitoring.webhooks import endpoints

    _known(number)
    with _changing(dry_run) as connection:
        endpoints.remove(connection, number, clock.now())
    report({"id": number, "dry_run": dry_run}, f"Endpoint {number} {_is(dry_run)} removed.")


@webhooks.command()
@with_json
def disable(number: Number, reason: Why = "", dry_run: DryRun = False) -> None:
    """Send nothing to an endpoint; its events wait for up to 30 days."""
    from digest.monitoring.webhooks import endpoints

    _known(number)
    with _changing(dry_run) as connection:
        changed = endpoints.disable(connection, number, clock.now(), reason)
    text = f"{_is(dry_run)} disabled" if changed else "was disabled already"
    report({"id": number, "changed": changed and not dry_run, "dry_run": dry_run}, f"Endpoint {number} {text}.")


@webhooks.command()
@with_json
def enable(number: Number, dry_run: DryRun = False) -> None:
    """Send to a disabled endpoint again, at once what has waited."""
    from digest.monitoring.webhooks import endpoints

    _known(number)
    with _changing(dry_run) as connection:
        changed = endpoints.enable(connection, number, clock.now())
    text = f"{_is(dry_run)} enabled" if changed else "was enabled already"
    report({"id": number, "changed": changed and not dry_run, "dry_run": dry_run}, f"Endpoint {number} {text}.")


@webhooks.command("rotate-secret")
@with_json
def rotate_secret(number: Number, dry_run: DryRun = False) -> None:
    """Print a new secret for an endpoint; for 24 hours the old one signs as well."""
    from digest.monitoring.webhooks import endpoints

    _known(number)
    with _changing(dry_run) as connection:
        endpoint = endpoints.rotate(connection, number, clock.now())
    if dry_run or endpoint is None:
        return report({"id": number, "dry_run": dry_run}, f"Endpoint {number} would get a new secret.")
    secret = endpoints.secret_of(settings().secret_keys[-1], endpoint.salts[0])
    first = f"The new secret of endpoint {number}, which is not shown again; the old one signs as well for 24 hours:"
    return answer({"id": number, "secret": secret, "dry_run": False}, lambda: [first, secret])


@webhooks.command("test")
@with_json
def send_test(number: Number, dry_run: DryRun = False) -> None:
    """Send the event webhook.test to an endpoint now, and print the answer. Exit code 1 unless it is 2xx."""
    endpoint = _known(number)
    if dry_run:
        return report({"id": number, "dry_run": True}, f"A test would be sent to {endpoint.shown_url}.")
    from digest.monitoring.webhooks import sender

    webhook_id, got = sender.send_test(endpoint, settings())
    report(
        {"id": number, "webhook_id": webhook_id, "status": got.status, "answer": got.text, "dry_run": False},
        f"{endpoint.host} {got.in_words}{f': {got.text}' if got.status and got.text else ''}",
    )
    if not got.is_success:
        raise typer.Exit(1)
    return None


@webhooks.command()
@with_json
def attempts(
    number: Annotated[
        int | None, typer.Argument(metavar="ENDPOINT", parser=_number, help="Number of an endpoint.")
    ] = None,
    state: Annotated[str, typer.Option(help="pending, delivered or failed.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Events.")] = 50,
) -> None:
    """List the newest events with the last answer to each."""
    from digest.ledger.outbox import EventState
    from digest.monitoring.webhooks.events import stored_events

    if number is not None:
        _known(number)
    try:
        wanted = EventState(state) if state else None
    except ValueError:
        raise typer.BadParameter(f"unknown state {state!r} (available: {', '.join(EventState)})") from None
    with reading() as connection:
        listed = stored_events(connection, limit, number, wanted)
    rows: list[tuple[str, ...]] = [("endpoint", "event", "type", "happened", "state", "attempts", "answer")]
    rows += [_row(each) for each in listed]
    answer([asdict(each) for each in listed], lambda: table(rows) if listed else ["There are no events."])


@webhooks.command()
@with_json
def replay(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="An event, such as msg_1a2b….")] = "",
    endpoint: Annotated[
        int | None, typer.Option("--endpoint", metavar="ENDPOINT", parser=_number, help="Number of an endpoint.")
    ] = None,
    since: Annotated[date | None, date_option("--since", "With --endpoint: all that failed since this day.")] = None,
    dry_run: DryRun = False,
) -> None:
    """Send an event again, or with --endpoint and --since all that failed there. Receivers see the same webhook-id."""
    from digest.monitoring.webhooks import events
    from digest.monitoring.webhooks.endpoints import record

    if bool(event) == bool(since) or (since and endpoint is None):
        raise typer.BadParameter("name an event, or an endpoint and a day: --endpoint 1 --since yesterday")
    if endpoint is not None:
        _known(endpoint)
    now = clock.now()
    with _changing(dry_run) as connection:
        if since and endpoint is not None:
            number = events.replay_failed(connection, endpoint, datetime.combine(since, time(), UTC), now)
        else:
            number = events.replay(connection, event, now, endpoint)
            if not number:
                raise NotReady(f"There is no event {event!r}. To list them: digest webhooks attempts")
        record(connection, now, endpoint or 0, "webhook events replayed", {"events": number})
    count = "1 event" if number == 1 else f"{number} events"
    report({"events": number, "dry_run": dry_run}, f"{count} {'would be' if dry_run else 'will be'} sent again.")


@contextmanager
def _changing(dry_run: bool) -> "Iterator[Connection]":
    """A transaction, which a dry run rolls back."""
    from digest.database.engine import transaction

    with transaction(open_database()) as connection:
        yield connection
        if dry_run:
            connection.rollback()


def _known(number: int) -> "Endpoint":
    from digest.monitoring.webhooks import endpoints

    with reading() as connection:
        endpoint = endpoints.by_id(connection, number, clock.now())
    if endpoint is None:
        raise NotReady(f"There is no endpoint {number}. To list them: digest webhooks list")
    return endpoint


def _is(dry_run: bool) -> str:
    return "would be" if dry_run else "is"


def _state(endpoint: "Endpoint") -> str:
    if endpoint.disabled_at:
        return f"disabled: {endpoint.disabled_why}" if endpoint.disabled_why else "disabled"
    return f"failing since {endpoint.failing_since:%Y-%m-%d %H:%M}" if endpoint.failing_since else "enabled"


def _document(endpoint: "Endpoint") -> dict[str, Any]:
    return {
        "id": endpoint.id,
        "url": endpoint.shown_url,
        "description": endpoint.description,
        "events": list(endpoint.types),
        "created_by": endpoint.created_by,
        "created_at": endpoint.created_at,
        "disabled_at": endpoint.disabled_at,
        "disabled_why": endpoint.disabled_why,
        "failing_since": endpoint.failing_since,
    }


def _counts(backlog: "Backlog") -> dict[str, Any]:
    return {"pending": backlog.pending, "failed": backlog.failed, "oldest_pending_at": backlog.oldest_at}


def _row(event: "StoredEvent") -> tuple[str, ...]:
    got = f"{event.status or ''} {event.answer}".strip()
    happened = f"{event.at:%Y-%m-%d %H:%M}"
    return str(event.endpoint_id), event.webhook_id, event.type, happened, event.state, str(event.attempts), got

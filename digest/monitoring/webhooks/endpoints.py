"""The endpoints that get webhooks. No secret is stored: each follows from the installation's and from a salt."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, func, insert, select, update

from digest.database.tables import webhook_endpoints, webhook_events
from digest.ledger import events
from digest.ledger.outbox import CHOSEN_TYPES, EventState, EventType
from digest.papers.sources.fetch.addresses import without_secrets

OLD_SECRET_SIGNS = timedelta(hours=24)
MOST_ENDPOINTS = 20
LONGEST_URL, LONGEST_DESCRIPTION = 500, 200


class InvalidEndpoint(Exception):
    """The address or the types of an endpoint cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Another program that is told of events."""

    id: int
    url: str
    description: str
    types: tuple[EventType, ...]
    salts: tuple[str, ...]  # the newest first; messages are signed with the secret of each
    created_by: str
    created_at: datetime
    disabled_at: datetime | None
    disabled_why: str
    failures: int  # attempts in a row, up to now
    failing_since: datetime | None
    resting_until: datetime | None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def shown_url(self) -> str:
        """Its address without tokens."""
        return without_secrets(self.url)


@dataclass(frozen=True, slots=True)
class Backlog:
    """The events of an endpoint that it did not get."""

    pending: int = 0
    failed: int = 0
    oldest_at: datetime | None = None  # when the oldest pending one happened


def secret_of(key: bytes, salt: str) -> str:
    """The secret of an endpoint as its receiver needs it. `key`: the oldest secret of the installation."""
    digest = hmac.digest(key, f"webhook\0{salt}".encode(), hashlib.sha256)
    return f"whsec_{base64.b64encode(digest).decode()}"


def checked_url(text: str, networks: Collection[str]) -> str:
    """An address for an endpoint; where its name leads is checked when something is sent. Raises InvalidEndpoint."""
    text = text.strip()
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise InvalidEndpoint("this is not a web address; write https://example.org/path") from None
    if parts.scheme not in ("http", "https") or not host or len(text) > LONGEST_URL or not text.isprintable():
        raise InvalidEndpoint("this is not a web address; write https://example.org/path")
    if " " in text or parts.username is not None or parts.fragment:
        raise InvalidEndpoint("leave out blanks, user names and everything from # on; the signature proves who sends")
    if parts.scheme == "http" and not _may_be_inside(host, networks):
        raise InvalidEndpoint("use https://; http:// is for addresses in DIGEST_WEBHOOK_NETWORKS alone")
    return text


def is_inside(address: str, networks: Collection[str]) -> bool:
    """True for an IP address in one of these networks."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    parsed = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(parsed in ip_network(network) for network in networks)


def _may_be_inside(host: str, networks: Collection[str]) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return bool(networks)  # a name, whose address is checked when something is sent to it
    return is_inside(host, networks)


# --- changes ---


def add(connection: Connection, url: str, types: Collection[str], description: str, now: datetime) -> Endpoint:
    """Store an endpoint whose address was checked. Raises InvalidEndpoint."""
    chosen = [each for each in CHOSEN_TYPES if each in types]
    if unknown := set(types) - set(CHOSEN_TYPES):
        raise InvalidEndpoint(f"unknown event {min(unknown)!r} (available: {', '.join(CHOSEN_TYPES)})")
    if not chosen:
        raise InvalidEndpoint(f"choose at least one event: {', '.join(CHOSEN_TYPES)}")
    if len(all_endpoints(connection, now)) >= MOST_ENDPOINTS:
        raise InvalidEndpoint(f"there are {MOST_ENDPOINTS} endpoints; remove one first")
    row = {
        "url": url,
        "description": " ".join(description.split())[:LONGEST_DESCRIPTION],
        "types": f" {' '.join(chosen)} ",
        "salt": _salt(),
        "created_by": events.actor_name(),
        "created_at": now,
        "disabled_why": "",
        "failures": 0,
    }
    number = connection.execute(insert(webhook_endpoints).values(row).returning(webhook_endpoints.c.id)).scalar_one()
    record(connection, now, number, "webhook added", {"host": urlsplit(url).hostname, "events": list(map(str, chosen))})
    endpoint = by_id(connection, number, now)
    assert endpoint is not None
    return endpoint


def remove(connection: Connection, endpoint_id: int, now: datetime) -> bool:
    """Delete an endpoint with all events for it. False if there is none."""
    if connection.execute(delete(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id)).rowcount == 0:
        return False
    record(connection, now, endpoint_id, "webhook removed", {})
    return True


def disable(connection: Connection, endpoint_id: int, now: datetime, why: str) -> bool:
    """Send nothing more; events wait. False when nothing changed."""
    is_free = webhook_endpoints.c.disabled_at.is_(None)
    values = {"disabled_at": now, "disabled_why": why[:300], "failing_since": None, "failures": 0}
    if not _change(connection, endpoint_id, values, is_free):
        return False
    record(connection, now, endpoint_id, "webhook disabled", {"reason": why} if why else {})
    return True


def enable(connection: Connection, endpoint_id: int, now: datetime) -> bool:
    """Send again, at once what has waited. False when nothing changed."""
    values: dict[str, Any] = {"disabled_at": None, "disabled_why": "", "failures": 0}
    values |= {"failing_since": None, "resting_until": None}
    if not _change(connection, endpoint_id, values, webhook_endpoints.c.disabled_at.is_not(None)):
        return False
    waiting = (webhook_events.c.endpoint_id == endpoint_id) & (webhook_events.c.state == str(EventState.PENDING))
    connection.execute(update(webhook_events).where(waiting).values(next_attempt_at=now))
    record(connection, now, endpoint_id, "webhook enabled", {})
    return True


def rotate(connection: Connection, endpoint_id: int, now: datetime) -> Endpoint | None:
    """Give an endpoint a new secret; the old one signs as well for a day. None if there is no such endpoint."""
    values = {
        "salt": _salt(),
        "previous_salt": webhook_endpoints.c.salt,
        "previous_until": now + OLD_SECRET_SIGNS,
    }
    if not _change(connection, endpoint_id, values):
        return None
    record(connection, now, endpoint_id, "webhook secret rotated", {})
    return by_id(connection, endpoint_id, now)


def record(connection: Connection, now: datetime, endpoint_id: int, what: str, detail: dict[str, Any]) -> None:
    """Store an event about an endpoint in the operators' log."""
    events.record(connection, now, f"webhook:{endpoint_id}", what, detail)


def _change(connection: Connection, endpoint_id: int, values: dict[str, Any], *conditions: Any) -> bool:
    change = update(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id, *conditions)
    return connection.execute(change.values(values)).rowcount == 1


def _salt() -> str:
    return secrets.token_hex(16)


# --- reading ---


def all_endpoints(connection: Connection, now: datetime) -> list[Endpoint]:
    query = select(webhook_endpoints).order_by(webhook_endpoints.c.id)
    return [_endpoint(row, now) for row in connection.execute(query)]


def by_id(connection: Connection, endpoint_id: int, now: datetime) -> Endpoint | None:
    row = connection.execute(select(webhook_endpoints).where(webhook_endpoints.c.id == endpoint_id)).one_or_none()
    return _endpoint(row, now) if row else None


def backlogs(connection: Connection, endpoints: Sequence[Endpoint]) -> dict[int, Backlog]:
    """The backlog of each endpoint, by its number. Counted by indexes that hold nothing else."""
    return {endpoint.id: _backlog(connection, endpoint.id) for endpoint in endpoints}


def _backlog(connection: Connection, endpoint_id: int) -> Backlog:
    counts = {}
    for state in (EventState.PENDING, EventState.FAILED):
        which = (webhook_events.c.endpoint_id == endpoint_id) & (webhook_events.c.state == state.value)
        counts[state] = connection.execute(select(func.count(), func.min(webhook_events.c.at)).where(which)).one()
    pending, oldest_at = counts[EventState.PENDING]
    return Backlog(pending, counts[EventState.FAILED][0], oldest_at)


def _endpoint(row: Any, now: datetime) -> Endpoint:
    has_previous = row.previous_salt is not None and row.previous_until > now
    return Endpoint(
        row.id,
        row.url,
        row.description,
        tuple(EventType(each) for each in row.types.split()),
        (row.salt, row.previous_salt) if has_previous else (row.salt,),
        row.created_by,
        row.created_at,
        row.disabled_at,
        row.disabled_why,
        row.failures,
        row.failing_since,
        row.resting_until,
    )

"""Limits the requests for an email: token buckets for the client's networks, for the recipient's domain, and for the
installation.

All web processes share them through the database. A bucket is one number, the instant at which it is full again (the
theoretical arrival time of GCRA), and a full bucket needs no row. A refused request takes nothing from any bucket.
"""

import hashlib
import hmac
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network

import structlog
from sqlalchemy import ColumnElement, Connection, Double, Engine, case, delete, literal_column

from digest.database.dialect import insert_or_change
from digest.database.engine import transaction
from digest.database.tables import buckets
from digest.ledger import events
from digest.subscribers.addresses import is_provider, registrable

log = structlog.get_logger()

HOUR = 3600.0
_MINUTE = 60.0
EVENTS = "sign-ups"  # the subject of the events that tell the operator
REFUSED = "refused requests"
WITHOUT_FORM_TIME = 2  # what a request counts that does not come from one of our forms
API_REQUESTS_AN_HOUR = 5_000  # of a token
PREVIEWS_AN_HOUR = 60  # of a subscriber's next email; a page with its frame counts twice
LINKS_AN_HOUR = 3  # mailed to an operator
FORECASTS_A_MINUTE = 120  # of a subscriber, by each process
_ROUNDING = 0.001  # seconds
_MOST_REMEMBERED = 10_000


class LimitScope(StrEnum):
    """The requests that a bucket counts: those of a network, for a domain, or all."""

    CLIENT = "client"  # an IPv4 address, or the /64 of an IPv6 address
    NETWORK = "network"  # /24 or /48
    DOMAIN = "recipient domain"
    INSTALLATION = "installation"
    PROGRAM = "API token"
    SUBSCRIBER = "subscriber"


class SecretKind(StrEnum):
    """A secret that a client shows and that might be guessed."""

    SIGN_IN = "console"
    API = "wrong API token"


ATTEMPTS_AN_HOUR = {SecretKind.SIGN_IN: 10, SecretKind.API: 60}  # of a client


class TooMany(Exception):
    """A request beyond a limit; it says nothing about any address."""

    def __init__(self, scope: LimitScope, seconds: float) -> None:
        super().__init__()
        self.scope = scope
        self.seconds = seconds  # until the next one is taken


@dataclass(frozen=True, slots=True)
class RequestBucket:
    """Takes `most` requests at once, and as many in an hour."""

    scope: LimitScope
    name: str
    most: float


@dataclass(frozen=True, slots=True)
class EmailRequest:
    """A request as the limits see it: its client, the domain of the recipient, and its weight."""

    client: str  # IP address
    domain: str
    cost: int = 1


def buckets_of(
    request: EmailRequest, an_hour: int
) -> tuple[RequestBucket, RequestBucket, RequestBucket, RequestBucket]:
    """The buckets that a request takes from, in the order of LimitScope; `an_hour`: what the installation takes."""
    client, network = _networks(request.client)
    domain = registrable(request.domain)
    return (
        RequestBucket(LimitScope.CLIENT, client, max(5.0, 0.02 * an_hour)),
        RequestBucket(LimitScope.NETWORK, network, max(10.0, 0.06 * an_hour)),
        RequestBucket(LimitScope.DOMAIN, domain, an_hour if is_provider(domain) else max(25.0, 0.25 * an_hour)),
        RequestBucket(LimitScope.INSTALLATION, "", an_hour),
    )


def _networks(client: str) -> tuple[str, str]:
    """The client's own network and the larger one around it; anything but an IP address is returned as it is."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return client, client
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is None:
            return str(ip_network((address, 64), strict=False)), str(ip_network((address, 48), strict=False))
        address = address.ipv4_mapped
    return str(address), str(ip_network((address, 24), strict=False))


class Admission:
    """The limits of one web process, which remembers what is refused, so that a flood does not reach the database."""

    def __init__(self, engine: Engine, an_hour: Callable[[], int], secret: bytes) -> None:
        self._engine = engine
        self._an_hour = an_hour
        self._secret = secret
        self._refused: dict[tuple[str, str, int], float] = {}  # until when, by the monotonic clock
        self._told: dict[LimitScope, float] = {}
        self._forecasts: dict[int, float] = {}  # by subscriber, when they may ask for as many again
        self._lock = threading.Lock()

    def check(self, request: EmailRequest) -> None:
        """Raise TooMany for a request of which this process knows that it is refused. No database, no waiting."""
        now = time.monotonic()
        every = buckets_of(request, self._an_hour())
        network = self._key(every[1])
        for bucket in every:
            for whose in ("", network):
                until = self._refused.get((whose, self._key(bucket), request.cost), now)
                if until > now:
                    raise TooMany(bucket.scope, until - now)

    def take(self, connection: Connection, request: EmailRequest, now: datetime) -> None:
        """Take from every bucket, in the transaction that carries out the request. Raises TooMany, which must end it.

        The installation's row stays locked until its end, so that simultaneous requests are handled one by one.
        """
        every = buckets_of(request, self._an_hour())
        ahead = self._fill(connection, [(bucket, request.cost) for bucket in every], now)
        network = every[1]
        is_first = ahead[network] <= request.cost * HOUR / network.most + _ROUNDING
        for bucket in every:
            # Half of a shared bucket is kept for networks without recent requests, so a flood leaves some to others.
            has_reserve = bucket.scope in (LimitScope.DOMAIN, LimitScope.INSTALLATION)
            room = HOUR / 2 if has_reserve and not is_first else HOUR
            wait = ahead[bucket] - room
            if wait > _ROUNDING:
                for_all = ahead[bucket] - HOUR > _ROUNDING
                self._remember(("" if for_all else self._key(network), self._key(bucket), request.cost), wait)
                raise TooMany(bucket.scope, wait)

    def take_attempt(self, connection: Connection, kind: SecretKind, client: str, now: datetime) -> None:
        """Take from the buckets of a client that shows a secret, in a transaction. Raises TooMany, which must end it.

        Nothing is shared by all: nobody can keep the operators out.
        """
        own, network = _networks(client)
        most = ATTEMPTS_AN_HOUR[kind]
        every = (
            RequestBucket(LimitScope.CLIENT, f"{kind} {own}", most),
            RequestBucket(LimitScope.NETWORK, f"{kind} {network}", 3 * most),
        )
        self._take_own(connection, every, 1, now)

    def take_api_requests(self, connection: Connection, token_id: int, count: int, now: datetime) -> None:
        """Take from the bucket of an API token, in a transaction. Raises TooMany, which must end it."""
        bucket = RequestBucket(LimitScope.PROGRAM, str(token_id), API_REQUESTS_AN_HOUR)
        self._take_own(connection, (bucket,), count, now)

    def take_preview(self, connection: Connection, subscriber_id: int, now: datetime) -> None:
        """Take one look of a subscriber at their next email, in a transaction. Raises TooMany, which must end it."""
        bucket = RequestBucket(LimitScope.SUBSCRIBER, f"next email {subscriber_id}", PREVIEWS_AN_HOUR)
        self._take_own(connection, (bucket,), 1, now)

    def _take_own(self, connection: Connection, every: Sequence[RequestBucket], count: int, now: datetime) -> None:
        """Take from buckets that belong to one client or token alone."""
        refused = [
            (self._refused.get(("", self._key(bucket), count), 0.0) - time.monotonic(), bucket.scope)
            for bucket in every
        ]
        seconds, scope = max(refused)
        if seconds > 0:
            raise TooMany(scope, seconds)
        for bucket, ahead in self._fill(connection, [(bucket, count) for bucket in every], now).items():
            if ahead - HOUR > _ROUNDING:
                self._remember(("", self._key(bucket), count), ahead - HOUR)
                raise TooMany(bucket.scope, ahead - HOUR)

    def take_link(self, connection: Connection, client: str, name: str, now: datetime) -> bool:
        """As take_attempt(), for a client that asks for a link to be mailed. False if `name` was asked for too often,
        whether there is such an operator or not.
        """
        self.take_attempt(connection, SecretKind.SIGN_IN, client, now)
        bucket = RequestBucket(LimitScope.CLIENT, f"console operator {name}", LINKS_AN_HOUR)
        is_too_often = self._fill(connection, [(bucket, 1)], now)[bucket] - HOUR > _ROUNDING
        if is_too_often:  # nobody can keep the operator out for longer by asking again and again
            self._fill(connection, [(bucket, -1)], now)
        return not is_too_often

    def _fill(
        self, connection: Connection, takes: Sequence[tuple[RequestBucket, int]], now: datetime
    ) -> dict[RequestBucket, float]:
        """Take so much from each bucket. Returns in how many seconds each is full again."""
        by_key = {self._key(bucket): (bucket, count * HOUR / bucket.most) for bucket, count in takes}
        instant = now.timestamp()
        taken: ColumnElement[float] = literal_column("excluded.full_at", Double) - instant
        is_filling = buckets.c.full_at > instant
        change = {"full_at": case((is_filling, buckets.c.full_at), else_=instant) + taken}
        # In the order of the keys, so that two requests do not wait for each other.
        rows = [{"key": key, "full_at": instant + by_key[key][1]} for key in sorted(by_key)]
        statement = insert_or_change(connection, buckets, ["key"], change).values(rows)
        full = connection.execute(statement.returning(buckets.c.key, buckets.c.full_at))
        return {by_key[key][0]: full_at - instant for key, full_at in full}

    def take_forecast(self, subscriber_id: int) -> None:
        """Take from what a subscriber may ask of this process, without the database. Raises TooMany."""
        now = time.monotonic()
        with self._lock:
            if len(self._forecasts) >= _MOST_REMEMBERED:
                self._forecasts = {which: full for which, full in self._forecasts.items() if full > now}
            full_at = max(self._forecasts.get(subscriber_id, now), now) + _MINUTE / FORECASTS_A_MINUTE
            if full_at - now > _MINUTE + _ROUNDING:
                raise TooMany(LimitScope.SUBSCRIBER, full_at - now - _MINUTE)
            self._forecasts[subscriber_id] = full_at

    def tell_operator(self, problem: TooMany, now: datetime) -> None:
        """Log the refusal and store an event, at most once an hour for each kind of limit."""
        with self._lock:
            if self._told.get(problem.scope, -math.inf) > time.monotonic():
                return
            self._told[problem.scope] = time.monotonic() + HOUR
        log.warning(
            f"too many requests for an email: those beyond the limit of one {problem.scope} are refused for now. Is it "
            "your proxy? Set DIGEST_FORWARDED_ALLOW_IPS. Are they welcome? Raise DIGEST_REQUESTED_PER_HOUR",
            limit=str(problem.scope),
        )
        notice = RequestBucket(problem.scope, "notice", 1)
        with transaction(self._engine) as connection:
            if self._fill(connection, [(notice, 1)], now)[notice] <= HOUR + _ROUNDING:
                events.record(connection, now, EVENTS, REFUSED, {"limit": str(problem.scope)})
            else:  # another process told it
                connection.rollback()

    def _remember(self, which: tuple[str, str, int], seconds: float) -> None:
        now = time.monotonic()
        with self._lock:
            if len(self._refused) >= _MOST_REMEMBERED:
                self._refused = {which: until for which, until in self._refused.items() if until > now}
            if len(self._refused) < _MOST_REMEMBERED:
                self._refused[which] = now + seconds

    def _key(self, bucket: RequestBucket) -> str:
        """A keyed hash: the table names neither clients nor domains."""
        text = f"bucket\0{bucket.scope}\0{bucket.name}"
        return hmac.digest(self._secret, text.encode(), hashlib.sha256)[:16].hex()


def refused_lately(connection: Connection, now: datetime) -> tuple[list[str], datetime | None]:
    """The limits beyond which requests were refused in the last day, and when the operator was last told."""
    recent = [event for event in events.latest(connection, 100, EVENTS) if event.at > now - timedelta(days=1)]
    return sorted({event.detail["limit"] for event in recent}), recent[0].at if recent else None


def forget_full_buckets(connection: Connection, now: datetime) -> None:
    """Delete the buckets that are full again."""
    connection.execute(delete(buckets).where(buckets.c.full_at < now.timestamp()))

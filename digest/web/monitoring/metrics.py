"""/metrics, for a Prometheus on this machine, in listed networks or with the token; for others it does not exist."""

import hmac
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Request, Response
from prometheus_client import Metric
from prometheus_client.exposition import choose_encoder
from sqlalchemy import Engine
from starlette.exceptions import HTTPException

from digest import clock
from digest.database.engine import connect
from digest.monitoring.metrics import Measurements, families, measure
from digest.settings import Settings
from digest.smtp import is_loopback
from digest.web.site import PageRouter

_PATIENCE = 2.5  # seconds for a lock; twice as many for a statement. Prometheus waits for ten
_METHODS = [
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "OPTIONS",
    "TRACE",
]  # otherwise, 405 would show that the page exists
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def router(engine: Engine, settings: Settings) -> PageRouter:
    """The page; `engine` tells only where the database is."""
    router, turn = PageRouter(), CapacityLimiter(1)  # in a thread of its own: a slow database keeps no page waiting
    own = connect(engine.url.render_as_string(hide_password=False), patience=_PATIENCE)

    @router.api_route("/metrics", methods=_METHODS, include_in_schema=False)
    async def metrics(request: Request) -> Response:
        if not is_admitted(request, settings):
            raise HTTPException(404)
        if request.method not in ("GET", "HEAD"):
            raise HTTPException(405)
        accept = request.headers.get("accept", "")
        content, kind = await run_sync(_exposition, own, settings, accept, limiter=turn)
        return Response(content, media_type=kind, headers={"Cache-Control": "no-store"})

    return router


def is_admitted(request: Request, settings: Settings) -> bool:
    """True for the token, and for the address of the client as the trusted proxies give it."""
    token = settings.metrics_token.get_secret_value()
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if token and scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
        return True
    try:
        address = ip_address(request.client.host if request.client else "")
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    is_forwarded = any(name in request.headers for name in _FORWARDED)
    # A proxy makes strangers local if it passes on what they claim, or claims nothing; then they asked for its name.
    if address.is_loopback and (is_forwarded or not is_loopback(request.url.hostname or "")):
        return False
    if is_forwarded and settings.forwarded_allow_ips == "*":  # anyone may have written the address
        return False
    return any(address in ip_network(network) for network in settings.metrics_allow)


class _Scrape:
    """The collector of one answer."""

    def __init__(self, measured: Measurements) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        return families(self._measured)


def _exposition(engine: Engine, settings: Settings, accept: str) -> tuple[bytes, str]:
    try:
        measured = measure(engine, settings, clock.now())
    finally:
        engine.dispose()  # no connection is kept for a few statements each minute
    encode, kind = choose_encoder(accept)
    return encode(_Scrape(measured)), kind

"""For load balancers and supervisors: does the process live, and can it serve pages."""

import redis
from fastapi import Response
from fastapi.responses import JSONResponse
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from digest import clock
from digest.database.engine import read_only
from digest.database.migrate import why_not_current
from digest.mail.pauses import EVERYTHING, current
from digest.web.site import PageRouter, TheSite

router = PageRouter()


@router.page("/healthz")
async def health() -> Response:
    """The process answers. It waits for nothing, so that a silent database does not get the process restarted."""
    return JSONResponse({"status": "ok"})


@router.page("/readyz")
def readiness(site: TheSite) -> Response:
    """Database reachable and at the newest migration. Redis and a pause of all sending are told of; pages go on."""
    database, sending = _database(site.engine)
    ready = database == "ok"
    report = {
        "status": "ready" if ready else "not ready",
        "database": database,
        "redis": _redis(site.settings.redis_url.get_secret_value()),
        "sending": sending,
    }
    return JSONResponse(report, 200 if ready else 503)


def _database(engine: Engine) -> tuple[str, str]:
    """The state of the database, and of sending as it is stored there; why it is paused is for the operator alone."""
    try:
        with read_only(engine) as connection:
            if remedy := why_not_current(connection):
                return "needs digest migrate" if "migrate" in remedy else remedy, "unknown"
            paused = any(pause.scope == EVERYTHING for pause in current(connection, clock.now()))
    except DBAPIError:
        return "unreachable", "unknown"
    return "ok", "paused" if paused else "ok"


def _redis(url: str) -> str:
    if not url:
        return "not set"
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1) as client:
            client.ping()
    except redis.RedisError:
        return "unreachable"
    return "ok"

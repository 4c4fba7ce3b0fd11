"""For load balancers and supervisors: does the process live, and can it serve pages."""

from fastapi import Response
from fastapi.responses import JSONResponse
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from digest.database.engine import read_only
from digest.database.migrate import why_not_current
from digest.web.site import PageRouter, TheSite

router = PageRouter()


@router.page("/healthz")
async def health() -> Response:
    """The process answers. It waits for nothing, so that a silent database does not get the process restarted."""
    return JSONResponse({"status": "ok"})


@router.page("/readyz")
def readiness(site: TheSite) -> Response:
    """The database can be reached and has the newest migration. Pages need nothing else."""
    database = _database(site.engine)
    is_ready = database == "ok"
    report = {"status": "ready" if is_ready else "not ready", "database": database}
    return JSONResponse(report, 200 if is_ready else 503)


def _database(engine: Engine) -> str:
    try:
        with read_only(engine) as connection:
            remedy = why_not_current(connection)
    except DBAPIError:
        return "unreachable"
    return "needs digest migrate" if "migrate" in remedy else remedy or "ok"

"""The API as an app of its own, below /api/v1: its errors are documents, whatever went wrong."""

from functools import cache
from typing import Any

import structlog
from anyio import CapacityLimiter
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.datastructures import State
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match

from digest.monitoring.api_tokens import TokenScope
from digest.web.api import deliveries, installation, issues, papers, previews, subscribers, suppressions
from digest.web.api.access import PATH, SCHEME, THREADS, Allowances
from digest.web.api.problems import ApiProblem, FieldProblem, ProblemDocument, invalid
from digest.web.site import NotMigrated
from digest.web.writing import CANNOT_BE_USED, RETRY_AFTER

log = structlog.get_logger()

DOCUMENT = "/openapi.json"
_ROOMS = (subscribers, issues, previews, papers, suppressions, deliveries, installation)
_DESCRIPTION = """Every request needs an API token with the scope that the operation names:
`Authorization: Bearer digest_…`. Lists come in parts: follow `next`, or the link with `rel="next"`.
Errors are `application/problem+json` (RFC 9457). A token may send 5,000 requests an hour; after that, 429 with
`Retry-After`. Every operation may be repeated without doing anything twice."""


def create_api(state: State) -> FastAPI:
    """The app below PATH. `state`: of the app that it is part of, with its site."""
    api = FastAPI(title="Digest", version="1", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    api.state = state
    state.api_threads = CapacityLimiter(THREADS)
    state.api_allowances = Allowances()
    for room in _ROOMS:
        api.router.routes.extend(room.router.routes)
    _answer_errors(api)

    @api.get(DOCUMENT, include_in_schema=False)
    async def document() -> JSONResponse:
        """For everyone: it says nothing about this installation but its address."""
        servers = [{"url": f"{state.site.settings.public_url}{PATH}"}]
        return JSONResponse(openapi() | {"servers": servers}, headers={"Cache-Control": "public, max-age=300"})

    return api


@cache
def openapi() -> dict[str, Any]:
    """The description of the API, as it is committed in docs/openapi.json."""
    api = FastAPI(title="Digest", version="1", description=_DESCRIPTION)
    for room in _ROOMS:
        api.router.routes.extend(room.router.routes)
    document = api.openapi()
    document["servers"] = [{"url": "https://{host}" + PATH, "variables": {"host": {"default": "papers.example.org"}}}]
    components = document["components"]
    for model in (FieldProblem, ProblemDocument):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        components["schemas"][model.__name__] = schema
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    scopes = ", ".join(f"`{scope}`" for scope in TokenScope)
    components["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": "bearer", "description": f"An API token. Scopes: {scopes}."}
    }
    return document


def problem_response(status: int) -> Response:
    """An error that is found before the API is asked, such as a body that is too large."""
    return ApiProblem(status).response()


def _answer_errors(api: FastAPI) -> None:
    async def problem(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ApiProblem)
        return error.response()

    async def not_valid(_request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return invalid(error).response()

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods(api, request))
        detail = error.detail if error.status_code == 400 else ""
        return ApiProblem(error.status_code, detail, headers=headers).response()

    async def broken(_request: Request, _error: Exception) -> Response:
        return ApiProblem(500).response()

    async def gone(_request: Request, _error: Exception) -> Response:
        return Response(status_code=400)  # for the log; the client has disconnected

    api.add_exception_handler(ApiProblem, problem)
    api.add_exception_handler(RequestValidationError, not_valid)
    api.add_exception_handler(HTTPException, refused)
    api.add_exception_handler(ClientDisconnect, gone)
    api.add_exception_handler(Exception, broken)
    _answer_database_errors(api)


def _methods(api: FastAPI, request: Request) -> list[str]:
    """Of every route at this path: the framework names those of the first."""
    routes = [route for route in api.routes if isinstance(route, APIRoute)]
    here = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in here for method in route.methods or ()})


def _answer_database_errors(api: FastAPI) -> None:
    async def away(_request: Request, problem: Exception) -> Response:
        cause = type(getattr(problem, "orig", None) or problem).__name__
        advice = "Check DIGEST_DATABASE_URL, or run: digest doctor"
        log.error(f"the database cannot be used. {advice}", problem=type(problem).__name__, cause=cause, every=60)
        return ApiProblem(503, "The database cannot be used at the moment.", headers=RETRY_AFTER).response()

    async def not_migrated(_request: Request, problem: Exception) -> Response:
        log.error(f"the database is not ready. {problem}", every=60)
        return ApiProblem(503, f"The database is not ready. {problem}", headers=RETRY_AFTER).response()

    api.add_exception_handler(NotMigrated, not_migrated)
    for kind in CANNOT_BE_USED:
        api.add_exception_handler(kind, away)

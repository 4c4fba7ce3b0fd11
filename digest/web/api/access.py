"""Routes of the API. None can forget which scope it needs, and nothing of a request is read before its token."""

import re
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, wraps
from typing import Annotated, Any, ClassVar, cast

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.types import DecoratedCallable

from digest import clock
from digest.database.engine import DATABASE_AWAY, read_only, transaction
from digest.ledger import events
from digest.monitoring import api_tokens
from digest.monitoring.api_tokens import ApiToken, TokenScope
from digest.subscribers.admission import SecretKind, TooMany
from digest.web.api.problems import MEDIA_TYPE, ApiProblem, ProblemDocument, too_many
from digest.web.site import Site, migrated
from digest.web.writing import in_turn

PATH = "/api/v1"
THROUGH = "api"  # in the operators' log
SCHEME = "token"  # its name in OpenAPI
_AT_ONCE = 20  # requests that a process takes from the shared bucket together, so that few of them write
_AT_ONCE_LASTS = 600.0  # seconds
THREADS = 2  # that read the database for programs: people who wait for a page come first
_MOST_KEPT = 1_000  # tokens
_PARAMETER = re.compile(r"\{(\w+)(?::path)?\}")


@dataclass(frozen=True, slots=True)
class Caller:
    """The program that sent a request."""

    site: Site
    token: ApiToken
    threads: CapacityLimiter


class Allowances:
    """The requests of each token that this process has taken from its bucket and not used yet."""

    def __init__(self) -> None:
        self._left: dict[int, tuple[int, float]] = {}
        self._lock = threading.Lock()

    def take(self, site: Site, token: ApiToken) -> None:
        """Take one. Raises TooMany."""
        with self._lock:
            left, until = self._left.get(token.id, (0, 0.0))
            if left and until > time.monotonic():
                self._left[token.id] = left - 1, until
                return
        now = clock.now()
        # Reading goes on while nothing can be written.
        with suppress(*DATABASE_AWAY), transaction(site.engine) as connection:
            site.admission.take_api_requests(connection, token.id, _AT_ONCE, now)
            if token.is_use_due(now):
                api_tokens.note_use(connection, token, now)
        with self._lock:
            if len(self._left) >= _MOST_KEPT:
                self._left.clear()
            self._left[token.id] = _AT_ONCE - 1, time.monotonic() + _AT_ONCE_LASTS


class ScopedRoute(APIRoute):
    """A route for tokens with one scope; ApiRouter makes a class for each."""

    scope: ClassVar[TokenScope]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle, allowed = (
            super().get_route_handler(),
            _parameters(self.dependant),
        )

        async def admitted(request: Request) -> Response:
            await migrated(request)
            state = request.app.state
            request.state.caller = await run_sync(_admit, request, self.scope, limiter=state.api_threads)
            if unknown := sorted(set(request.query_params) - allowed):
                raise ApiProblem(422, "The request is not valid.", errors=[(unknown[0], "There is no such parameter.")])
            return await handle(request)

        return admitted


def _parameters(dependant: Dependant) -> set[str]:
    """The names in a query that an endpoint and its dependencies read."""
    own = {each.alias for each in dependant.query_params}
    return own.union(*map(_parameters, dependant.dependencies))


class ApiRouter(APIRouter):
    """Routes that name the scope they need."""

    def read(self, scope: TokenScope, path: str, **options: Any) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """An endpoint that only reads, in one of the threads for programs."""
        return self._scoped(scope, "GET", path, _reading, options)

    def write(
        self, scope: TokenScope, method: str, path: str, **options: Any
    ) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """An endpoint that changes something, in turn with others that write. Its events name the token."""
        return self._scoped(scope, method, path, _writing, options)

    def _scoped(
        self,
        scope: TokenScope,
        method: str,
        path: str,
        prepare: Callable[[Any], Any],
        options: dict[str, Any],
    ) -> Callable[[DecoratedCallable], DecoratedCallable]:
        route = type("ScopedRoute", (ScopedRoute,), {"scope": scope})
        statuses = {400, 401, 403, 405, 413, 422, 429, 500, 503, *options.pop("errors", ())}
        if _PARAMETER.search(path):
            statuses.add(404)

        def registered(endpoint: DecoratedCallable) -> DecoratedCallable:
            self.add_api_route(
                path,
                prepare(endpoint),
                methods=[method],
                route_class_override=route,
                operation_id=endpoint.__name__,
                responses=dict.fromkeys(sorted(statuses), _ERROR) | options.pop("responses", {}),
                openapi_extra={"security": [{SCHEME: [str(scope)]}]},
                **options,
            )
            return endpoint

        return registered

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        route = options.get("route_class_override")
        if not (isinstance(route, type) and issubclass(route, ScopedRoute)):
            raise TypeError(f"{path}: use read() or write(), which ask for a scope")
        super().add_api_route(path, endpoint, **options)


_ERROR: dict[str, Any] = {
    "description": "Error",
    "content": {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}}},
}


def _caller(request: Request) -> Caller:
    return cast("Caller", request.state.caller)


TheCaller = Annotated[Caller, Depends(_caller)]


def _reading(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    async def waiting(caller: Caller, **named: Any) -> Any:
        return await run_sync(partial(endpoint, caller=caller, **named), limiter=caller.threads)

    return waiting


def _writing(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(endpoint)
    def logged(caller: Caller, **named: Any) -> Any:
        with events.acting(caller.token.name, THROUGH):
            return endpoint(caller=caller, **named)

    return in_turn(logged)


# --- tokens ---


def _admit(request: Request, scope: TokenScope) -> Caller:
    """The caller with a token that may do this. Raises ApiProblem. A cookie counts for nothing here."""
    site, state = cast("Site", request.app.state.site), request.app.state
    given = _bearer(request)
    if given is None:
        detail = "Send an API token: Authorization: Bearer digest_…"
        raise ApiProblem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="digest"'})
    now = clock.now()
    token = None
    if api_tokens.is_well_formed(given):  # anything else cannot be a guess, and is not counted
        with read_only(site.engine) as connection:
            token = api_tokens.token_of(connection, given)
        if token is None or token.state(now) != "valid":
            _count_wrong(site, request)
    if token is None or token.state(now) != "valid":
        raise _wrong(f"This API token is {token.state(now)}." if token else "This is not an API token of this site.")
    try:
        state.api_allowances.take(site, token)
    except TooMany as problem:
        raise too_many(problem.seconds) from None
    if scope not in token.scopes:
        challenge = f'Bearer realm="digest", error="insufficient_scope", scope="{scope}"'
        detail = f"This API token does not have the scope {scope}."
        raise ApiProblem(403, detail, reason="insufficient scope", headers={"WWW-Authenticate": challenge})
    return Caller(site, token, state.api_threads)


def _bearer(request: Request) -> str | None:
    """The text after "Bearer" in the header; None without exactly one header."""
    headers = request.headers.getlist("authorization")
    scheme, _, given = (headers[0] if len(headers) == 1 else "").partition(" ")
    return given.strip() if scheme.lower() == "bearer" and given.strip() else None


def _wrong(detail: str) -> ApiProblem:
    return ApiProblem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="digest", error="invalid_token"'})


def _count_wrong(site: Site, request: Request) -> None:
    """Raises ApiProblem for a client that has shown too many wrong tokens. Others with its address are not affected as
    long as their tokens are right.
    """
    client = request.client.host if request.client else ""
    try:
        with transaction(site.engine) as connection:
            site.admission.take_attempt(connection, SecretKind.API, client, clock.now())
    except TooMany as problem:
        raise too_many(problem.seconds) from None

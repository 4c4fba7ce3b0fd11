"""The web process. Comes in: engine, settings, the hint port. Goes out: the app. Sends no message to a subscriber."""

from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from functools import cache, partial
from urllib.parse import urlsplit

import structlog
from anyio.to_thread import current_default_thread_limiter
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from digest import clock
from digest.issues.selection.recent import RecentPapers
from digest.language import Languages, Message, _
from digest.resources import resource
from digest.settings import Settings
from digest.settings.composing import mail_context
from digest.subscribers.admission import Admission
from digest.web import console, inbox, provider_webhooks
from digest.web.api.access import PATH as API
from digest.web.api.app import create_api, problem_response
from digest.web.assets import Assets
from digest.web.guard import IS_API, PERSONAL, Guard, add_security_headers
from digest.web.monitoring import health, metrics
from digest.web.page_cache.editions import EditionWatch
from digest.web.page_cache.middleware import PageCache
from digest.web.pages import Pages
from digest.web.personal import (
    address,
    feedback,
    forecast,
    library,
    next_email,
    own_feed,
    preferences,
    saved_list,
    signup,
    suggestions,
    unsubscribing,
    welcome,
)
from digest.web.personal.one_click import OneClick
from digest.web.public import archive, choosing, discovery, feeds, privacy, sample_email, search
from digest.web.server import ForwardedHeaders
from digest.web.site import EarlyAnswer, NotMigrated, Site, migrated
from digest.web.writing import CANNOT_BE_USED, RETRY_AFTER, one_at_a_time

log = structlog.get_logger()

# Routes are tried in this order, each for some time: those that are asked for most come first.
_PAGES = (
    *(signup, archive, feeds, search, discovery, choosing, privacy, sample_email),
    *(forecast, preferences, unsubscribing, welcome, next_email, feedback, suggestions),
    *(library, saved_list, own_feed, address),
)
_THREADS = 3  # that read the database for pages, of which searches take two; more would only take turns in Python


def create_app(
    engine: Engine,
    settings: Settings,
    hint: Callable[[], object],
    languages: Languages | None = None,
    editions: EditionWatch | None = None,
) -> FastAPI:
    """The app for uvicorn. Links are made from `settings.public_url` alone, whatever Host a request names.

    `languages`: those of this installation unless given. With `editions`, public pages are kept in memory.
    """
    # FastAPI's own documentation pages load scripts from elsewhere; its redirects of slashes would believe Host.
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False, lifespan=_serving)
    assets = Assets(urlsplit(settings.public_url).path)
    pages = Pages(settings, assets, languages or Languages(resource("locale")))
    admission = Admission(engine, _requests_an_hour(settings), settings.secret_keys[-1])
    mail, recent = cache(partial(mail_context, settings, signs=False)), RecentPapers(engine, settings.pool_days)
    app.state.site = Site(engine, settings, pages, hint, admission, mail, recent)
    app.mount("/static", assets)
    app.state.is_migrated = False
    app.state.threads = ()  # of the process, if it serves the pages of an installation
    app.mount(API, create_api(app.state))
    app.include_router(health.router)
    app.include_router(metrics.router(engine, settings))
    app.include_router(provider_webhooks.router, dependencies=[Depends(migrated)])
    for room in _PAGES:
        app.include_router(room.router, dependencies=[Depends(migrated)])
    app.include_router(console.router, dependencies=[Depends(migrated)])
    if settings.inbox_dir is not None:
        app.include_router(inbox.router(settings.inbox_dir))
    _add_layers(app, settings, pages, editions)
    _answer_errors(app, pages)
    _answer_database_errors(app, pages)
    return app


def _add_layers(app: FastAPI, settings: Settings, pages: Pages, editions: EditionWatch | None) -> None:
    """The layers around the routes, the innermost first."""
    if editions is not None:
        app.add_middleware(PageCache, pages.languages, settings.language, editions)
    engine, language = app.state.site.engine, settings.language
    app.add_middleware(OneClick, engine=engine, keys=settings.secret_keys, languages=pages.languages, default=language)
    app.add_middleware(
        Guard,
        refuse=lambda request, status: _refusal(pages, request, status),
        public_url=settings.public_url,
        logs_clients=settings.log_clients,
    )
    app.add_middleware(ForwardedHeaders, trusted_hosts=settings.forwarded_allow_ips)


def _refusal(pages: Pages, request: Request, status: int) -> Response:
    """The answer of the guard in place of the app."""
    if IS_API.match(request.scope["path"]):
        return problem_response(status)
    return pages.for_request(request).refuse(status)


@asynccontextmanager
async def _serving(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = _THREADS
    if app.state.site.engine.dialect.name == "sqlite":
        one_at_a_time()
    with ExitStack() as running:
        for thread in app.state.threads:
            running.enter_context(thread)
        yield


def _requests_an_hour(settings: Settings) -> Callable[[], int]:
    """As many requests are taken as messages can be sent for them."""
    limits = settings.limits
    return lambda: limits.requested_limit(clock.now().date())


# The answers to errors are made without a thread: each thread may be waiting for the database.


def _answer_errors(app: FastAPI, pages: Pages) -> None:
    async def early(_request: Request, problem: Exception) -> Response:
        assert isinstance(problem, EarlyAnswer)
        return problem.answer

    async def refused(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)
        if IS_API.match(request.scope["path"]):
            return problem_response(problem.status_code)
        detail = problem.detail if isinstance(problem.detail, Message) else ""  # else the framework's own phrase
        language = pages.for_request(request)
        if problem.status_code == 404 and not detail and PERSONAL.match(request.scope["path"]):
            return language.show("lost", 404)
        answer = language.refuse(problem.status_code, detail)
        answer.headers.update(problem.headers or {})
        return answer

    async def broken(request: Request, _problem: Exception) -> HTMLResponse:
        # This answer is made outside of the guard.
        answer = pages.for_request(request).refuse(500)
        add_security_headers(answer.headers, request.scope["path"], request.method)
        return answer

    async def no_such_address(request: Request, _problem: Exception) -> Response:
        return pages.for_request(request).refuse(404)

    async def gone(_request: Request, _problem: Exception) -> Response:
        return Response(status_code=400)  # for the log; the client has disconnected

    app.add_exception_handler(EarlyAnswer, early)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(RequestValidationError, no_such_address)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(Exception, broken)


def _answer_database_errors(app: FastAPI, pages: Pages) -> None:
    async def database_away(request: Request, problem: Exception) -> Response:
        # The words of the problem may hold an address; its type says enough.
        cause = type(getattr(problem, "orig", None) or problem).__name__
        advice = "Check DIGEST_DATABASE_URL, or run: digest doctor"
        log.error(f"the database cannot be used. {advice}", problem=type(problem).__name__, cause=cause, every=60)
        answer = pages.for_request(request).refuse(503)
        answer.headers.update(RETRY_AFTER)
        return answer

    async def not_migrated(request: Request, problem: Exception) -> Response:
        log.error(f"the database is not ready. {problem}", every=60)
        detail = _(
            "This site is being set up or upgraded, so nothing has changed. For its operator: the database is not "
            "ready. %(remedy)s",
            remedy=str(problem),
        )
        answer = pages.for_request(request).refuse(503, detail)
        answer.headers.update(RETRY_AFTER)
        return answer

    app.add_exception_handler(NotMigrated, not_migrated)
    for kind in CANNOT_BE_USED:
        app.add_exception_handler(kind, database_away)

"""Shared by all endpoints: routes, caching, pages of long lists, and the site and the posted form as dependencies."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import format_datetime, parseaddr
from typing import Annotated, Any, cast

from anyio import Semaphore, fail_after
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.types import DecoratedCallable
from python_multipart.multipart import parse_options_header
from sqlalchemy import Engine
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.staticfiles import NotModifiedResponse, StaticFiles

from digest.database.engine import read_only
from digest.database.migrate import why_not_current
from digest.issues.selection.recent import RecentPapers
from digest.language import Message, _
from digest.mail.compose.context import MailContext
from digest.papers.sources import suggestions
from digest.settings import Settings
from digest.subscribers.admission import Admission
from digest.subscribers.preferences import Form
from digest.web.form_time import without_form_time
from digest.web.guard import MAX_BODY_OF_NOTICE
from digest.web.pages import Pages
from digest.web.writing import in_turn

KEPT = "public, max-age=300"
REVALIDATED = "public, no-cache"  # kept, and shown again only after asking whether it is still the same

_PATIENCE_SECONDS = 5.0  # that a request waits for its turn
_CHARSETS = (b"utf-8", b"utf8", b"us-ascii", b"iso-8859-1", b"windows-1252")
_FILES = StaticFiles()  # it knows what a conditional request asks (RFC 9110 §13), for any answer

PageNumber = Annotated[int, Query(alias="page", ge=1, le=9999)]  # anything else is answered with 404


class PageRouter(APIRouter):
    """Routes of pages."""

    def page(self, path: str, **options: Any) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """GET and HEAD, which FastAPI does not add by itself."""
        return self.api_route(path, methods=["GET", "HEAD"], **options)

    def post(self, path: str, **options: Any) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """A form, in turn with the others that write."""
        register = super().post(path, **options)

        def registered(endpoint: DecoratedCallable) -> DecoratedCallable:
            register(in_turn(endpoint))
            return endpoint

        return registered


@dataclass(frozen=True, slots=True)
class Site:
    """The web process. `hint` tells the workers that messages are queued; it returns at once, and may fail silently.

    An endpoint gets `pages` in the language of its request.
    """

    engine: Engine
    settings: Settings
    pages: Pages
    hint: Callable[[], object]
    admission: Admission
    mail: Callable[[], MailContext]  # to preview messages; without the keys that sign them
    recent: RecentPapers

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys that sign links, newest first."""
        return self.settings.secret_keys

    @property
    def secret(self) -> bytes:
        """The key that hashes addresses; it never changes."""
        return self.settings.secret_keys[-1]

    @property
    def contact(self) -> str:
        """The operator's address for mail from subscribers."""
        settings = self.settings
        return settings.contact or parseaddr(settings.reply_to or settings.mail_from)[1]

    @property
    def takes_suggestions(self) -> bool:
        return suggestions.NAME in self.settings.sources

    def hint_later(self) -> BackgroundTask:
        """The hint, once the answer is out."""
        return BackgroundTask(self._hint)

    async def _hint(self) -> None:  # asynchronous, since it needs no thread
        self.hint()

    def client_hash(self, request: Request) -> str:
        """For the record of consent: a keyed hash of the client's network address."""
        host = request.client.host if request.client else ""
        return hmac.new(self.secret, b"client\0" + host.encode(), hashlib.sha256).hexdigest()[:32]


def same_for_all(request: Request, answer: Response, changed_at: datetime | None = None, cache: str = KEPT) -> Response:
    """`answer` with its ETag, or 304 when the client has it; only what succeeded is kept."""
    if answer.status_code != 200:
        return answer
    answer.headers["ETag"] = f'"{hashlib.sha256(without_form_time(bytes(answer.body))).hexdigest()[:16]}"'
    answer.headers["Cache-Control"] = cache
    if changed_at is not None:
        answer.headers["Last-Modified"] = format_datetime(changed_at.astimezone(UTC), usegmt=True)
    return NotModifiedResponse(answer.headers) if _FILES.is_not_modified(answer.headers, request.headers) else answer


def pages_of(total: int, per_page: int, page: int) -> int:
    """Number of pages, at least 1. Raises HTTPException 404 if `page` is beyond the last."""
    pages = max(1, -(-total // per_page))
    if page > pages:
        raise HTTPException(404, _("This list doesn’t have that many pages."))
    return pages


@asynccontextmanager
async def turn_among(turns: Semaphore, busy: Message | None = None) -> AsyncIterator[None]:
    """Wait for a turn at what is slow, so that few in a process do it at once. Raises HTTPException 503 if none comes.

    `busy`: what the page of that answer says.
    """
    try:
        with fail_after(_PATIENCE_SECONDS):
            await turns.acquire()
    except TimeoutError:
        raise HTTPException(503, busy, {"Retry-After": "5"}) from None
    try:
        yield
    finally:
        turns.release()


class EarlyAnswer(Exception):
    """Ends an endpoint, from wherever it is raised, with this answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


class NotMigrated(Exception):
    """The database lacks the tables of this version; the message is the operator's remedy."""


async def migrated(request: Request) -> None:
    """Raises NotMigrated until the database has the tables of this version; once it has, this is not checked again."""
    state = request.app.state
    if not state.is_migrated:
        if remedy := await run_in_threadpool(_remedy, state.site.engine):
            raise NotMigrated(remedy)
        state.is_migrated = True


def _remedy(engine: Engine) -> str:
    with read_only(engine) as connection:
        return why_not_current(connection)


async def _site(request: Request) -> Site:
    site = cast("Site", request.app.state.site)
    return replace(site, pages=site.pages.for_request(request))


async def _posted(request: Request) -> Form:
    """The text fields of a form in either encoding; files are refused. Any other content type is an empty form."""
    _, options = parse_options_header(request.headers.get("content-type"))
    if options.get(b"charset", b"utf-8").lower() not in _CHARSETS:
        raise HTTPException(400)  # Python knows encodings that end in errors, or take time with the square of a length
    async with request.form(max_files=0, max_fields=200, max_part_size=MAX_BODY_OF_NOTICE) as form:
        return posted_fields(form)


def posted_fields(form: FormData) -> Form:
    """The text fields of a form. Raises HTTPException 400 for text that PostgreSQL does not take."""
    fields = {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}
    if any("\0" in text for name, values in fields.items() for text in (name, *values)):
        raise HTTPException(400)
    return fields


async def _posted_anything(request: Request) -> Form:
    """The same, where a body that cannot be read must not get in the way."""
    try:
        return await _posted(request)
    except HTTPException:
        return {}


TheSite = Annotated[Site, Depends(_site)]
Posted = Annotated[Form, Depends(_posted)]
PostedAnything = Annotated[Form, Depends(_posted_anything)]

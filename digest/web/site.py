"""Shared by all endpoints: routes, the site's open resources and the posted form, as FastAPI dependencies."""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.types import DecoratedCallable
from sqlalchemy import Engine
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException

from digest.papers.sources import suggestions
from digest.settings import Settings
from digest.subscribers.preferences import Form
from digest.web.pages import Pages


class PageRouter(APIRouter):
    """Routes of pages."""

    def page(self, path: str) -> Callable[[DecoratedCallable], DecoratedCallable]:
        """GET and HEAD, which FastAPI does not add by itself."""
        return self.api_route(path, methods=["GET", "HEAD"])


@dataclass(frozen=True, slots=True)
class Site:
    """The web process. `hint` tells the workers that messages are queued; it may fail silently.

    An endpoint gets `pages` in the language of its request.
    """

    engine: Engine
    settings: Settings
    pages: Pages
    hint: Callable[[], object]

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys that sign links, newest first."""
        return self.settings.secret_keys

    @property
    def secret(self) -> bytes:
        """The key that hashes addresses; it never changes."""
        return self.settings.secret_keys[-1]

    @property
    def takes_suggestions(self) -> bool:
        return suggestions.NAME in self.settings.sources

    def hint_later(self) -> BackgroundTask:
        """The hint, once the answer is out."""
        return BackgroundTask(self.hint)

    def client_hash(self, request: Request) -> str:
        """For the record of consent: a keyed hash of the client's network address."""
        host = request.client.host if request.client else ""
        return hmac.new(self.secret, b"client\0" + host.encode(), hashlib.sha256).hexdigest()[:32]


class EarlyAnswer(Exception):
    """Ends an endpoint, from wherever it is raised, with this answer."""

    def __init__(self, answer: Response) -> None:
        super().__init__()
        self.answer = answer


async def _site(request: Request) -> Site:
    site = cast("Site", request.app.state.site)
    return replace(site, pages=site.pages.for_request(request))


async def _posted(request: Request) -> Form:
    """The text fields of a form in either encoding; files are refused. Any other content type is an empty form."""
    async with request.form(max_files=0, max_fields=200, max_part_size=16_384) as form:
        return {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}


async def _posted_anything(request: Request) -> Form:
    """The same, where a body that cannot be read must not get in the way."""
    try:
        return await _posted(request)
    except HTTPException:
        return {}


TheSite = Annotated[Site, Depends(_site)]
Posted = Annotated[Form, Depends(_posted)]
PostedAnything = Annotated[Form, Depends(_posted_anything)]

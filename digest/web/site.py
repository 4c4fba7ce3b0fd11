"""What every endpoint needs: the site's open resources and the posted form, as FastAPI dependencies."""

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Annotated, cast

from fastapi import Depends, Request
from sqlalchemy import Engine
from starlette.exceptions import HTTPException

from digest.settings import Settings
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import Recipient, Subscriber
from digest.subscribers.tokens import Purpose, verify
from digest.web.pages import Pages


@dataclass(frozen=True, slots=True)
class Site:
    """The web process. `hint` tells the workers that mails are queued; it may fail silently.

    An endpoint gets `pages` in the language of its request.
    """

    engine: Engine
    settings: Settings
    pages: Pages
    hint: Callable[[], object]

    def reader(self, purpose: Purpose, token: str) -> Subscriber | None:
        """Whose link this is, however old it is; None for anything that no key signed, and once erased."""
        number = verify(purpose, token, self.keys)
        return subscriptions.find(self.engine, number) if number is not None else None

    def speaking_to(self, reader: Recipient | None) -> "Site":
        """The same in the language that a reader chose, unless the address names one."""
        return replace(self, pages=self.pages.speaking(reader.preferences.language)) if reader else self

    @property
    def keys(self) -> tuple[bytes, ...]:
        """What links are signed with, newest first."""
        return self.settings.secret_keys

    @property
    def secret(self) -> bytes:
        """What addresses are hashed with; it never changes."""
        return self.settings.secret_keys[-1]

    def client_hash(self, request: Request) -> str:
        """Who asked, for the record of consent: a keyed hash of the client's network address."""
        host = request.client.host if request.client else ""
        return hmac.new(self.secret, b"client\0" + host.encode(), hashlib.sha256).hexdigest()[:32]


async def _site(request: Request) -> Site:
    site = cast("Site", request.app.state.site)
    return replace(site, pages=site.pages.for_request(request))


async def _posted(request: Request) -> Mapping[str, list[str]]:
    """The text fields of a form in either encoding; files are refused. Any other content type is an empty form."""
    async with request.form(max_files=0, max_fields=200, max_part_size=16_384) as form:
        return {name: [value for value in form.getlist(name) if isinstance(value, str)] for name in form}


async def _posted_anything(request: Request) -> Mapping[str, list[str]]:
    """The same, where a body that cannot be read must not get in the way."""
    try:
        return await _posted(request)
    except HTTPException:
        return {}


TheSite = Annotated[Site, Depends(_site)]
Posted = Annotated[Mapping[str, list[str]], Depends(_posted)]
PostedAnything = Annotated[Mapping[str, list[str]], Depends(_posted_anything)]


def one(form: Mapping[str, list[str]], name: str) -> str:
    """The field's value without spaces around it; "" when it is absent."""
    return (form.get(name) or [""])[-1].strip(" ")

"""Parts of long lists. A cursor names the last entry of a part, so that nothing is missed or repeated when entries are
added meanwhile.
"""

import base64
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, Query, Request, Response
from pydantic import BaseModel, Field

from digest.text import parse_instant
from digest.web.api.access import PATH
from digest.web.api.problems import ApiProblem
from digest.web.site import Site

T = TypeVar("T")
MOST = 200
_LARGEST = 2**62
Limit = Annotated[int, Query(ge=1, le=MOST, description="Entries in the answer, at most.")]
Cursor = Annotated[
    str,
    Query(pattern="^[A-Za-z0-9_-]*$", max_length=400, description="`next` of the answer before; empty for the first."),
]


class ResourcePage(BaseModel):
    """Part of a list."""

    next: str | None = Field(description="The cursor of the next part; null at the end.")


@dataclass(frozen=True, slots=True)
class ListPart:
    """The part of a list that a request asks for."""

    request: Request
    response: Response
    limit: int
    cursor: str

    @property
    def wanted(self) -> int:
        """The number of entries to read, including the first of the next part."""
        return self.limit + 1

    def after(self, *kinds: type) -> Any:
        """The position that the cursor names, one value for each of `kinds`; None for the first part.

        Raises ApiProblem 404 for a cursor that no list of this kind gave.
        """
        return _position_in(self.cursor, kinds)

    def cut(self, entries: Sequence[T], position: Callable[[T], Sequence[object]]) -> tuple[list[T], str | None]:
        """Leave out the entry beyond the limit, and link to the rest; `position` names an entry."""
        shown = list(entries[: self.limit])
        if len(entries) <= self.limit:
            return shown, None
        cursor = _cursor(position(shown[-1]))
        site: Site = self.request.app.state.site
        query = urlencode({**self.request.query_params, "cursor": cursor})
        path = self.request.scope["path"].partition(PATH)[2]
        self.response.headers["Link"] = f'<{site.settings.public_url}{PATH}{path}?{query}>; rel="next"'
        return shown, cursor


def _part(request: Request, response: Response, limit: Limit = 50, cursor: Cursor = "") -> ListPart:
    return ListPart(request, response, limit, cursor)


ThePart = Annotated[ListPart, Depends(_part)]


def _cursor(position: Sequence[object]) -> str:
    stored = [each.isoformat() if isinstance(each, datetime) else each for each in position]
    return base64.urlsafe_b64encode(json.dumps(stored).encode()).decode().rstrip("=")


def _position_in(cursor: str, kinds: Sequence[type]) -> tuple[Any, ...] | None:
    if not cursor:
        return None
    try:
        stored = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError):
        stored = None
    if not isinstance(stored, list) or len(stored) != len(kinds):
        raise _lost()
    return tuple(_value(each, kind) for each, kind in zip(stored, kinds, strict=True))


def _value(stored: object, kind: type) -> object:
    if kind is int and type(stored) is int and 0 <= stored <= _LARGEST:
        return stored
    if kind is str and isinstance(stored, str) and "\0" not in stored and stored.isascii():
        return stored
    if kind is datetime and isinstance(stored, str) and (instant := parse_instant(stored)):
        return instant
    raise _lost()


def _lost() -> ApiProblem:
    return ApiProblem(404, "This cursor leads nowhere. Begin again without one.", reason="lost cursor")

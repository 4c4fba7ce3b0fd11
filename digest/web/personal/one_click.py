"""Answers the one-click requests of mail providers (RFC 8058), which send many at once and show no page.

Requests that wait at the same time share a transaction. Anything unusual goes on to the endpoint: a damaged link,
another body, a subscriber with more to end than a subscription, a database that cannot be used.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from anyio import Event, Lock
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest import clock
from digest.language import Languages, _
from digest.subscribers import subscriptions
from digest.subscribers.tokens import Purpose, verify
from digest.web.writing import CANNOT_BE_USED, in_turn

FIELD = "List-Unsubscribe"
EVENT = "one-click"  # how the log of events names it
UNSUBSCRIBED = _("We won’t send you any more issues.")

_BODY = f"{FIELD}=One-Click".encode()  # the other encoding and any further fields are left to the endpoint
_PATH = re.compile("/u/([^/]+)")

Work = Callable[[Sequence[int]], Collection[int]]


class OneClick:
    """In front of the endpoints."""

    def __init__(self, app: ASGIApp, engine: Engine, keys: Sequence[bytes], languages: Languages, default: str) -> None:
        self._app = app
        self._keys = keys
        self._texts = lru_cache(maxsize=100)(
            lambda header: languages.get(languages.negotiate(header, default)).say(UNSUBSCRIBED)
        )
        self._unsubscribed = SharedWork(
            lambda who: subscriptions.unsubscribe_confirmed(engine, who, clock.now(), EVENT)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_form = scope["type"] == "http" and scope["method"] == "POST" and not scope["query_string"]
        path = _PATH.fullmatch(scope["path"]) if is_form else None
        if path is None:
            await self._app(scope, receive, send)
            return
        start = await receive()
        token = verify(Purpose.UNSUBSCRIBE, path[1], self._keys) if _is_one_click(start) else None
        if token is not None and await self._is_done(token.subscriber_id):
            header = dict(scope["headers"]).get(b"accept-language", b"")
            await PlainTextResponse(self._texts(header[:200].decode("latin-1")))(scope, receive, send)
        else:
            await self._app(scope, _after(start, receive), send)

    async def _is_done(self, subscriber_id: int) -> bool:
        try:
            return await self._unsubscribed.done_for(subscriber_id)
        except (*CANNOT_BE_USED, HTTPException):
            return False


def _is_one_click(message: Message) -> bool:
    return message.get("body") == _BODY and not message.get("more_body")


def _after(start: Message, receive: Receive) -> Receive:
    """`receive`, whose first message is `start` again."""
    messages = [start]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return again


@dataclass
class _Group:
    """Subscribers who share a turn."""

    members: list[int]
    done: Collection[int] = ()
    is_over: Event = field(default_factory=Event)


class SharedWork:
    """Does the same work for many subscribers at once: those who come meanwhile wait together for the next time.

    `work` returns those it was done for.
    """

    def __init__(self, work: Work) -> None:
        self._work = in_turn(work)
        self._lock = Lock()
        self._next: _Group | None = None

    async def done_for(self, subscriber_id: int) -> bool:
        """Wait for the work; False if it was not done for this subscriber. Raises, for the first of a group, why."""
        if self._next is not None:
            group = self._next
            group.members.append(subscriber_id)
            await group.is_over.wait()
        else:
            group = self._next = _Group([subscriber_id])
            try:
                async with self._lock:
                    self._next = None
                    group.done = await self._work(group.members)
            finally:
                if self._next is group:  # cancelled while it waited
                    self._next = None
                group.is_over.set()
        return subscriber_id in group.done

"""What stands between the network and the endpoints: size limit, cross-site forms, security headers, the access log."""

import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from fastapi.responses import HTMLResponse
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

MAX_BODY = 16_384
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; {frames}form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# Pages behind a personal link.
PERSONAL = re.compile(r"^/(confirm|preferences|u|feedback|suggest)/.+")

Refuse = Callable[[Request, int], HTMLResponse]


class Guard:
    """The outermost layer. Reads a body whole and refuses one that is too big before anything parses it."""

    def __init__(self, app: ASGIApp, refuse: Refuse, public_url: str) -> None:
        self._app = app
        self._refuse = refuse
        self._own_origin = "{0.scheme}://{0.netloc}".format(urlsplit(public_url))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                add_security_headers(MutableHeaders(raw=message["headers"]), scope["path"], scope["method"])
            await send(message)

        try:
            await self._checked(scope, receive, with_headers)
        finally:
            took = round((time.perf_counter() - started) * 1000)
            log.info("request", method=scope["method"], path=redacted(scope["path"]), status=status, ms=took)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in SAFE_METHODS and not scope["path"].startswith("/u/") and self._is_foreign(scope):
            await self._refuse(Request(scope), 403)(scope, receive, send)
            return
        body = await _whole_body(scope, receive)
        if body is None:
            await self._refuse(Request(scope), 413)(scope, receive, send)
            return
        await self._app(scope, _replayed(body, receive), send)

    def _is_foreign(self, scope: Scope) -> bool:
        """Whether a browser says that another site posts this. /u/ is exempt: mail providers post there (RFC 8058)."""
        headers = Headers(scope=scope)
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        origin = headers.get("origin")
        own = (self._own_origin, f"http://{headers.get('host')}", f"https://{headers.get('host')}")
        return origin is not None and origin not in own


def add_security_headers(headers: MutableHeaders, path: str, method: str) -> None:
    """What every answer says to browsers. An answer that set a header itself keeps it."""
    personal = bool(PERSONAL.match(path))
    frames = "frame-src 'self'; " if path.startswith("/inbox") else ""
    headers.setdefault("Content-Security-Policy", _POLICY.format(frames=frames))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    # Browsers that know no Sec-Fetch-Site send "Origin: null" from a page with no-referrer: elsewhere same-origin does.
    headers.setdefault("Referrer-Policy", "no-referrer" if personal else "same-origin")
    headers.setdefault("Cache-Control", "no-store" if personal or method not in SAFE_METHODS else "no-cache")
    if personal:
        headers.setdefault("X-Robots-Tag", "noindex")


def redacted(path: str) -> str:
    """A path as it may stand in a log: whoever has a personal link acts as its subscriber."""
    return PERSONAL.sub(r"/\1/…", path)


async def _whole_body(scope: Scope, receive: Receive) -> bytes | None:
    """The request's body; None when it is, or says it is, larger than MAX_BODY."""
    length = Headers(scope=scope).get("content-length", "0")
    if not (length.isascii() and length.isdecimal()) or int(length[:12]) > MAX_BODY:
        return None
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if message["type"] != "http.request" or not message.get("more_body", False):
            return bytes(body)


def _replayed(body: bytes, receive: Receive) -> Receive:
    first = True

    async def again() -> Message:
        nonlocal first
        if first:
            first = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again

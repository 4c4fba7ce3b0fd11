"""Protects the endpoints: size limit, cross-site forms, security headers, the access log."""

import re
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest.subscribers.library.reading import MAX_BYTES

log = structlog.get_logger()

MAX_BODY = 16_384
MAX_API_BODY = 65_536  # preferences may be written with six characters for each one
MAX_BODY_OF_LIBRARY = MAX_BYTES + 300_000  # what a form adds
MAX_BODY_OF_NOTICE = 262_144  # its text in several languages; a Chinese character takes nine bytes
_NOTICE = re.compile(r"/console/notices/\w+")
_PROVIDER = re.compile(r"/bounces/\w+")  # webhooks of email providers; those of Amazon are up to 256 KiB
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; {more}"
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Below these, a personal link continues with its token. Also what robots.txt closes.
PERSONAL_PATHS = (
    *("/confirm/", "/preferences/", "/u/", "/feedback/", "/suggest/", "/library/", "/my/", "/list/"),
    "/address/",
)
# Pages behind a personal link, which a line break may have damaged.
PERSONAL = re.compile(f"^({'|'.join(PERSONAL_PATHS)}).+", re.DOTALL)
# Pages that show an email in a frame.
_WITH_FRAME = re.compile(r"/inbox.*|/sample-email|/my/[^/]+/next-email", re.DOTALL)
# Pages for operators. Browsers that send no Sec-Fetch-Site cannot post there, because of its Referrer-Policy.
CONSOLE = re.compile(r"/console(/.*)?", re.DOTALL)
IS_API = re.compile(r"/api(/|$)")  # for programs: personal data, errors as JSON
_ASKING = re.compile(r"/preferences/.+", re.DOTALL)  # the page whose script asks us for a number
_SIGN_IN = re.compile("^(/console/sign-in/).+", re.DOTALL)

Refuse = Callable[[Request, int], Response]


class Guard:
    """The outermost layer. Refuses a body that is too big, and stops reading one that turns out to be."""

    def __init__(self, app: ASGIApp, refuse: Refuse, public_url: str, logs_clients: bool = False) -> None:
        self._app = app
        self._logs_clients = logs_clients
        self._refuse = refuse
        self._own_origin = "{0.scheme}://{0.netloc}".format(urlsplit(public_url)).lower()

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
            client = {"client": scope["client"][0]} if self._logs_clients and scope.get("client") else {}
            log.info("request", method=scope["method"], path=redacted(scope["path"]), status=status, ms=took, **client)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in SAFE_METHODS and not scope["path"].startswith("/u/") and self._is_foreign(scope):
            await self._refuse(Request(scope), 403)(scope, receive, send)
            return
        # PostgreSQL takes no NUL. A damaged personal link has a page of its own.
        if b"%00" in scope["query_string"] or ("\0" in scope["path"] and not PERSONAL.match(scope["path"])):
            await self._refuse(Request(scope), 400)(scope, receive, send)
            return
        length, most = Headers(scope=scope).get("content-length", "0"), _max_body(scope)
        if not (length.isascii() and length.isdecimal()) or int(length[:12]) > most:
            await self._refuse(Request(scope), 413)(scope, receive, send)
            return
        await self._app(scope, _limited(receive, most), send)

    def _is_foreign(self, scope: Scope) -> bool:
        """True if the browser reports a post from another site. /u/ is exempt: mail providers post there (RFC 8058).

        "null" hides the site, as browsers without Sec-Fetch-Site do for a page whose referrer is held back: no reason
        to refuse a personal link, which another site cannot know.
        """
        headers = Headers(scope=scope)
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site not in ("same-origin", "none")
        origin = headers.get("origin")
        own = (self._own_origin, f"http://{headers.get('host')}", f"https://{headers.get('host')}")
        return origin is not None and origin not in own and not (origin == "null" and PERSONAL.match(scope["path"]))


def add_security_headers(headers: MutableHeaders, path: str, method: str) -> None:
    """Add the security headers. A header that a response sets itself stays."""
    console = bool(CONSOLE.fullmatch(path))
    personal = console or bool(PERSONAL.match(path)) or bool(IS_API.match(path))
    frames = "frame-src 'self'; " if console or _WITH_FRAME.fullmatch(path) else ""
    more = f"connect-src 'self'; {frames}" if console or _ASKING.fullmatch(path) else frames
    headers.setdefault("Content-Security-Policy", _POLICY.format(more=more))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    # Not no-referrer: with it, browsers that know no Sec-Fetch-Site post "Origin: null", which looks foreign.
    headers.setdefault("Referrer-Policy", "no-referrer" if console else "same-origin")
    headers.setdefault("Cache-Control", "no-store" if personal or method not in SAFE_METHODS else "no-cache")
    if personal:
        headers.setdefault("X-Robots-Tag", "noindex")


def redacted(path: str) -> str:
    """A path without its token, for the log: anyone with a personal link can act as its subscriber."""
    return _SIGN_IN.sub(r"\1…", PERSONAL.sub(r"\1…", path))


def _max_body(scope: Scope) -> int:
    """The largest body that its endpoint takes."""
    if IS_API.match(scope["path"]):
        return MAX_API_BODY
    if scope["path"].startswith("/library/"):
        return MAX_BODY_OF_LIBRARY
    is_large = _NOTICE.fullmatch(scope["path"]) or _PROVIDER.fullmatch(scope["path"])
    return MAX_BODY_OF_NOTICE if is_large else MAX_BODY


def _limited(receive: Receive, most: int) -> Receive:
    """`receive`, which raises HTTPException 413 once the body is larger than `most`, whatever its header says."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise HTTPException(413)
        return message

    return counted

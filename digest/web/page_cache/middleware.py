"""Answers requests for public pages from memory: without a thread, and without asking the database.

A page is made once for all requests that wait for it. It is shown for as long as its Cache-Control says; then, and when
a new issue has changed it, as long again while it is made anew; and for as long as the database does not answer.
"""

import re
from urllib.parse import parse_qsl, urlencode

import structlog
from anyio import Event, create_task_group, move_on_after
from anyio.abc import TaskGroup
from starlette.datastructures import Headers
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from digest.language import Languages
from digest.web.negotiation import PARAMETER
from digest.web.page_cache.answers import Answer, AnswerCache, Wanted
from digest.web.page_cache.editions import EditionWatch

log = structlog.get_logger()

_LIMIT = 56 << 20  # bytes in each process
_LIMIT_OF_SEARCHES = 4 << 20  # bytes; anybody can think of more of them, which must not displace pages
_PATIENCE = 2.0  # seconds for making a page anew before the old one is shown
_RENEWALS = 2  # pages made anew at a time while the old ones are shown
_LONGEST_PATH = 200
_PUBLIC = re.compile(  # without pictures: they compress no further, and a link to each is fetched a few times at most
    r"(?!.*/card\.png$)/(?:(?:issues|topics|papers)(?:/.+)?|feed\.(?:atom|json)|how-papers-are-chosen|privacy|robots\.txt|sample-email(?:/html)?|search|sitemap.*)?"
)
_PAPER, _ISSUE, _SEARCH = "/papers/", "/issues/", "/search"
# The parameters that public pages read, except the language, by path, as the site itself writes them. Other parameters
# make no other page: otherwise a stranger could fill the memory with copies.
_PAGE = {"page": re.compile(r"[1-9]\d{0,3}")}
_PARAMETERS: tuple[tuple[re.Pattern[str], dict[str, re.Pattern[str]]], ...] = (
    (re.compile(r"/issues/.+|/topics/[^/]+"), _PAGE),
    (re.compile(r"/issues"), {"month": re.compile(r"\d{4}-\d\d")}),
    (re.compile(_SEARCH), _PAGE | dict.fromkeys(("q", "category", "from", "to"), re.compile(r".{1,100}"))),
    (re.compile(r".*"), {}),
)
_LANGUAGE = {PARAMETER: re.compile(r"[\w-]+")}
_FILES = StaticFiles()  # it knows what a conditional request asks (RFC 9110 §13), for any answer


class _Making:
    """A page in the making, and what came of it."""

    def __init__(self) -> None:
        self.done = Event()
        self.answer: Answer | None = None
        self.problem: Exception | None = None


class PageCache:
    """Inside of the guard, in front of the endpoints. It works once the issues were read for the first time."""

    def __init__(self, app: ASGIApp, languages: Languages, default: str, editions: EditionWatch) -> None:
        self._app = app
        self._codes = frozenset(languages.codes)
        self._languages = languages
        self._default = default
        self._editions = editions
        self._clock = editions.clock
        self._answers = AnswerCache(_LIMIT)
        self._searches = AnswerCache(_LIMIT_OF_SEARCHES)
        self._making: dict[Wanted, _Making] = {}
        self._tasks: TaskGroup | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        wanted = self._wanted(scope) if scope["type"] == "http" and self._editions.edition.number else None
        if wanted is None or self._tasks is None:
            await self._app(scope, receive, send)
            return
        await self._send(await self._answer(wanted, scope, self._tasks), scope, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with create_task_group() as self._tasks:
            self._editions.start()
            try:
                await self._app(scope, receive, send)
            finally:
                self._editions.stop()
                self._tasks.cancel_scope.cancel()

    def _wanted(self, scope: Scope) -> Wanted | None:
        """The key of the page that is requested; None if it is not a public page."""
        path, query = scope["path"], scope["query_string"]
        if scope["method"] not in ("GET", "HEAD") or len(path) > _LONGEST_PATH or not _PUBLIC.fullmatch(path):
            return None
        given = dict(parse_qsl(query.decode("latin-1"))) if query else {}
        if path.startswith(_PAPER) and given.keys() - {PARAMETER}:
            return None  # the address of a paper elsewhere, which goes on in the query
        understood = _LANGUAGE | next(names for paths, names in _PARAMETERS if paths.fullmatch(path))
        kept = {name: given[name] for name in sorted(understood) if name in given}
        if not all(understood[name].fullmatch(value) for name, value in kept.items()):
            return None
        if kept.get(PARAMETER) in self._codes:
            return Wanted(path, urlencode(kept), kept[PARAMETER])
        kept.pop(PARAMETER, None)
        header = Headers(scope=scope).get("accept-language", "")
        return Wanted(path, urlencode(kept), self._languages.negotiate(header, self._default))

    # --- which answer ---

    async def _answer(self, wanted: Wanted, scope: Scope, tasks: TaskGroup) -> Answer:
        kept = self._kept_with(wanted).get(wanted)
        if kept is None or kept.edition < self._editions.edition.since:
            return await self._made(wanted, scope, tasks)
        age = self._clock() - kept.made_at
        if self._editions.is_away:
            return kept
        if age < 2 * kept.lifetime:
            has_changed = age > kept.lifetime or not self._is_current(wanted, kept)
            if has_changed and wanted not in self._making and len(self._making) < _RENEWALS:
                self._begin(wanted, scope, tasks)
            return kept
        with move_on_after(_PATIENCE):
            try:
                answer = await self._made(wanted, scope, tasks)
            except Exception as problem:  # noqa: BLE001 - whatever it is, there is something to show
                log.warning("a page cannot be made anew, so the last one is shown", problem=type(problem).__name__)
            else:
                return kept if answer.status >= 500 else answer
        return kept

    def _kept_with(self, wanted: Wanted) -> AnswerCache:
        return self._searches if wanted.path == _SEARCH else self._answers

    def _is_current(self, wanted: Wanted, answer: Answer) -> bool:
        number, papers, _since = self._editions.edition
        if wanted.path.startswith(_PAPER):
            return answer.edition == number or wanted.path.removeprefix(_PAPER) not in papers
        return answer.edition == number or wanted.path.startswith((_ISSUE, _SEARCH))

    async def _made(self, wanted: Wanted, scope: Scope, tasks: TaskGroup) -> Answer:
        """The answer that the app makes for all that wait for it."""
        making = self._making.get(wanted) or self._begin(wanted, scope, tasks)
        await making.done.wait()
        if making.answer is None:
            raise making.problem or RuntimeError("the site is being stopped")
        return making.answer

    def _begin(self, wanted: Wanted, scope: Scope, tasks: TaskGroup) -> _Making:
        making = self._making[wanted] = _Making()
        tasks.start_soon(self._make, making, wanted, scope)
        return making

    async def _make(self, making: _Making, wanted: Wanted, scope: Scope) -> None:
        try:
            making.answer = await self._ask(wanted, scope)
            if making.answer.is_public:
                self._kept_with(wanted).put(wanted, making.answer)
            elif making.answer.status < 500:
                self._kept_with(wanted).drop(wanted)
        except Exception as problem:  # noqa: BLE001 - it is raised for each request that waits
            making.problem = problem
        finally:
            del self._making[wanted]
            making.done.set()

    async def _ask(self, wanted: Wanted, scope: Scope) -> Answer:
        """The app's answer to what is wanted, whatever else the request said."""
        edition, made_at = self._editions.edition.number, self._clock()
        host = [header for header in scope["headers"] if header[0] == b"host"]
        start: Message = {}
        body: list[bytes] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                body.append(message.get("body", b""))

        headers = [*host, (b"accept-language", wanted.language.encode())]
        same_for_all = {"method": "GET", "query_string": wanted.query.encode(), "headers": headers}
        await self._app({**scope, **same_for_all}, receive, send)
        given = dict(start["headers"])
        others = tuple(pair for pair in start["headers"] if pair[0] not in (b"etag", b"content-length"))
        return Answer(start["status"], others, given.get(b"etag", b""), b"".join(body), made_at, edition)

    # --- sending ---

    async def _send(self, answer: Answer, scope: Scope, send: Send) -> None:
        headers, status, body = [*answer.headers], answer.status, answer.body
        if answer.is_public:
            headers += [(b"age", b"%d" % (self._clock() - answer.made_at)), (b"etag", answer.etag)]
            if _FILES.is_not_modified(Headers(raw=headers), Headers(scope=scope)):
                status, body = 304, b""
        if status != 304:
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})  # uvicorn drops it for HEAD

"""A polite and careful HTTP client for the sources.

Polite: identifies itself, spaces its requests, asks only for changes, waits when told to.
Careful: limits time, size, redirects and retries, and follows no redirect into the operator's network.
"""

import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from http import HTTPStatus
from urllib.request import getproxies

import httpx2

from digest.papers.sources.fetch.addresses import is_public_address, origin, redirect_problem, without_secrets
from digest.papers.sources.fetch.guard import ConnectionGuard
from digest.papers.sources.fetch.words import error_in_words, retry_after, status_in_words
from digest.papers.sources.source import SourceUnavailable, Validator

MAX_BYTES = 10_000_000
MAX_REDIRECTS = 3
MAX_RETRIES = 2
CONNECT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 30.0
_BACK_OFF_SECONDS = (0.5, 2.0)
_JUST_BEFORE = 0.1  # seconds: a failure this near the deadline is due to it
_BROKEN = "the connection broke before the answer was complete"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_BUSY = frozenset({429, 503})


class Refused(SourceUnavailable):
    """The source rejected the request (4xx)."""

    def __init__(self, message: str, body: bytes) -> None:
        super().__init__(message)
        self.body = body


@dataclass(frozen=True, slots=True)
class Ticking:
    """The clocks that the client uses; tests pass their own."""

    wall: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, slots=True)
class RequestPolicy:
    """Limits on requests to a source. `contact` is an address or page of the operator, if there is one."""

    contact: str = ""
    timeout_seconds: float = 20.0  # for one answer, retries included
    spacing_seconds: float = 0.0  # between two requests to one host
    accept: str = "*/*"

    @property
    def user_agent(self) -> str:
        """The client's name and the contact, in printable ASCII."""
        contact = "".join(c for c in self.contact if " " <= c <= "~").strip()
        return f"digest/0.1 (daily paper digest{'; ' if contact else ''}{contact})"


@dataclass(frozen=True, slots=True)
class FetchResponse:
    """An answer. `unchanged`: it was 304, and `body` is empty. `cut`: why the body is incomplete, if it is."""

    body: bytes
    unchanged: bool = False
    validator: Validator = field(default_factory=Validator)
    cut: str = ""


class _TryLater(Exception):
    """An attempt failed, but a later one may succeed; `wait` is how many seconds the source asks for."""

    def __init__(self, problem: str, wait: float | None = None, partial: FetchResponse | None = None) -> None:
        super().__init__(problem)
        self.wait = wait
        self.partial = partial


class Fetcher:
    """A client for one operator-configured base address."""

    def __init__(
        self,
        base: str,
        policy: RequestPolicy,
        ticking: Ticking | None = None,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._home = origin(base)
        self._policy = policy
        self._ticking = ticking or Ticking()
        self._transport = transport
        _certificates()  # now, so that it does not count against the time of the first answer
        self._last_request: dict[str, float] = {}

    def get(self, url: str, validator: Validator | None = None) -> FetchResponse:
        """The answer to GET `url` (http or https). Raises SourceUnavailable with what happened on one line."""
        deadline = self._ticking.monotonic() + self._policy.timeout_seconds
        for attempt in range(MAX_RETRIES + 1):
            try:
                return self._attempt(url, validator or Validator(), deadline)
            except _TryLater as trouble:
                if not self._waits(trouble, attempt, deadline):
                    if trouble.partial is not None:
                        return trouble.partial
                    raise SourceUnavailable(f"{_host(url)} {trouble}") from None
        raise AssertionError("the last attempt neither answered nor failed")

    def _waits(self, trouble: _TryLater, attempt: int, deadline: float) -> bool:
        if attempt == MAX_RETRIES:
            return False
        wait = _BACK_OFF_SECONDS[attempt] if trouble.wait is None else trouble.wait
        if wait > LONGEST_WAIT_SECONDS or self._ticking.monotonic() + wait >= deadline:
            return False
        self._ticking.sleep(wait)
        return True

    def _attempt(self, url: str, validator: Validator, deadline: float) -> FetchResponse:
        try:
            with self._client() as client:
                for _ in range(MAX_REDIRECTS + 1):
                    answer = self._exchange(client, url, validator, deadline)
                    if isinstance(answer, FetchResponse):
                        return answer
                    problem = redirect_problem(url, answer, self._home)
                    if problem:
                        raise SourceUnavailable(f"{_host(url)} redirected to {problem}; not followed")
                    url = answer
        except (httpx2.InvalidURL, UnicodeError):  # whose words may be a part of a password
            raise SourceUnavailable(f"{_host(url)} is not a valid web address") from None
        except httpx2.TransportError as error:
            late = self._ticking.monotonic() > deadline - _JUST_BEFORE
            raise _TryLater(self._no_answer() if late else error_in_words(error)) from None
        except httpx2.HTTPError as error:
            raise SourceUnavailable(f"{_host(url)} {error_in_words(error)}") from None
        raise SourceUnavailable(f"{_host(url)} redirected more than {MAX_REDIRECTS} times")

    def _client(self) -> httpx2.Client:
        headers = {"User-Agent": self._policy.user_agent, "Accept": self._policy.accept}
        return httpx2.Client(headers=headers, follow_redirects=False, transport=self._transport, verify=_certificates())

    def _exchange(self, client: httpx2.Client, url: str, validator: Validator, deadline: float) -> FetchResponse | str:
        """The answer to one request, or the address that it redirects to."""
        self._keep_distance(url, deadline)
        left = deadline - self._ticking.monotonic()
        if left <= 0:
            raise SourceUnavailable(f"{_host(url)} {self._no_answer()}")
        guard = ConnectionGuard(None if origin(url) == self._home or getproxies() else partial(_expect_public, url))
        request = client.build_request(
            "GET",
            url,
            headers=_conditions(validator),
            timeout=httpx2.Timeout(left, connect=min(CONNECT_SECONDS, left)),
            extensions={"trace": guard.trace},
        )
        with guard.ends_after(left), _streaming(client, request) as response:
            if response.status_code in _REDIRECTS and "location" in response.headers:
                return str(httpx2.URL(url).join(response.headers["location"]))
            answer = self._read(response, url, bool(validator.etag or validator.last_modified), deadline)
            # Without a length, a body looks complete once the connection ends, and we have just ended it.
            return replace(answer, cut=self._too_slow(), validator=Validator()) if guard.ended else answer

    def _keep_distance(self, url: str, deadline: float) -> None:
        host, now = _host(url), self._ticking.monotonic()
        next_request = self._last_request.get(host, -1e9) + self._policy.spacing_seconds
        if next_request >= deadline:
            raise SourceUnavailable(f"{host} {self._no_answer()}")
        if next_request > now:
            self._ticking.sleep(next_request - now)
        self._last_request[host] = self._ticking.monotonic()

    def _read(self, response: httpx2.Response, url: str, conditional: bool, deadline: float) -> FetchResponse:
        status = response.status_code
        if status == HTTPStatus.NOT_MODIFIED and conditional:
            return FetchResponse(b"", unchanged=True, validator=_validator(response))
        if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            wait = retry_after(response.headers, self._ticking.wall()) if status in _BUSY else None
            wish = f" and asks to wait {wait:.0f} seconds" if wait is not None else ""
            raise _TryLater(f"answered {status_in_words(status)}{wish}", wait)
        body, cut = self._body(response, deadline)
        if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            raise Refused(f"{_host(url)} answered {status_in_words(status)}", body)
        if status != HTTPStatus.OK:
            raise SourceUnavailable(f"{_host(url)} answered {status_in_words(status)}, which is of no use here")
        answer = FetchResponse(body, validator=Validator() if cut else _validator(response), cut=cut)
        if cut == _BROKEN:
            raise _TryLater(cut, partial=answer)
        return answer

    def _body(self, response: httpx2.Response, deadline: float) -> tuple[bytes, str]:
        parts, size = [], 0
        try:
            for part in response.iter_bytes():
                parts.append(part)
                size += len(part)
                if size > MAX_BYTES:
                    return b"".join(parts)[:MAX_BYTES], f"the answer is larger than {MAX_BYTES // 1_000_000} MB"
                if self._ticking.monotonic() > deadline:
                    return b"".join(parts), self._too_slow()
        except httpx2.HTTPError:
            slow = self._ticking.monotonic() > deadline - _JUST_BEFORE
            return b"".join(parts), self._too_slow() if slow else _BROKEN
        return b"".join(parts), ""

    def _no_answer(self) -> str:
        return f"did not answer within {self._policy.timeout_seconds:.0f} seconds"

    def _too_slow(self) -> str:
        return f"the answer was not complete within {self._policy.timeout_seconds:.0f} seconds"


@contextmanager
def _streaming(client: httpx2.Client, request: httpx2.Request) -> Iterator[httpx2.Response]:
    response = client.send(request, stream=True)
    try:
        yield response
    finally:
        response.close()


def _conditions(validator: Validator) -> dict[str, str]:
    headers = {"If-None-Match": validator.etag, "If-Modified-Since": validator.last_modified}
    return {name: value for name, value in headers.items() if value}


def _validator(response: httpx2.Response) -> Validator:
    # Values that are longer than a line or not ASCII are not worth keeping.
    values = (response.headers.get("etag", ""), response.headers.get("last-modified", ""))
    return Validator(*(value if value.isascii() and len(value) <= 500 else "" for value in values))


def _expect_public(url: str, address: str) -> None:
    if not is_public_address(address):
        raise SourceUnavailable(f"{_host(url)} leads to {address}, which is not a public address")


@cache
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context()  # 50 ms of work, the same for every client


def _host(url: str) -> str:
    return origin(url).host or without_secrets(url)[:60]

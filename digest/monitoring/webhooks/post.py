"""Sends one webhook, within limits of time and size, and to no address that the operator did not allow."""

import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, partial
from http import HTTPStatus
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies

import httpx2

from digest.monitoring.webhooks.endpoints import is_inside
from digest.papers.sources.fetch.addresses import is_public_address
from digest.papers.sources.fetch.guard import ConnectionGuard
from digest.papers.sources.fetch.words import error_in_words, retry_after
from digest.text import one_line

ATTEMPT_SECONDS = 15.0
_CONNECT_SECONDS = 5.0
LONGEST_ANSWER = 500  # characters
_MAX_BYTES = 4 * LONGEST_ANSWER


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """The answer to one attempt. `status`: None if there was none; then `text` says why."""

    status: int | None
    text: str
    wait: float | None = None  # seconds that Retry-After asks for

    @property
    def is_success(self) -> bool:
        return self.status is not None and HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def is_gone(self) -> bool:
        return self.status == HTTPStatus.GONE

    @property
    def in_words(self) -> str:
        return f"answered {self.status}" if self.status is not None else self.text


class ForbiddenAddress(Exception):
    """An address inside a network that the operator did not allow."""


class Poster:
    """Sends webhooks to one endpoint, over one connection that it keeps."""

    def __init__(self, url: str, networks: Collection[str]) -> None:
        self._url = url
        self._guard = ConnectionGuard(None if getproxies() else partial(_expect_allowed, url, networks))
        self._client = httpx2.Client(
            headers={"user-agent": "digest-webhooks", "accept": "*/*", "accept-encoding": "identity"},
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1),
            verify=_certificates(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def post(self, body: str, headers: Mapping[str, str]) -> WebhookAnswer:
        """POST one webhook. Never raises because of the receiver."""
        timeout = httpx2.Timeout(ATTEMPT_SECONDS, connect=_CONNECT_SECONDS)
        watched = {"trace": self._guard.trace}
        try:
            with self._guard.ends_after(ATTEMPT_SECONDS):
                request = self._client.build_request(
                    "POST", self._url, content=body, headers=dict(headers), timeout=timeout, extensions=watched
                )
                return self._exchange(request)
        except ForbiddenAddress as problem:
            return WebhookAnswer(None, str(problem))
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            late = f"did not answer within {ATTEMPT_SECONDS:.0f} seconds"
            return WebhookAnswer(None, late if self._guard.ended else error_in_words(error)[:LONGEST_ANSWER])

    def _exchange(self, request: httpx2.Request) -> WebhookAnswer:
        response = self._client.send(request, stream=True)
        try:
            return WebhookAnswer(response.status_code, _beginning(response), retry_after(response.headers, time.time()))
        finally:
            response.close()


def _expect_allowed(url: str, networks: Collection[str], address: str) -> None:
    if is_inside(address, networks):
        return
    host = urlsplit(url).hostname
    if not is_public_address(address):
        raise ForbiddenAddress(f"leads to {address}, which is neither public nor in DIGEST_WEBHOOK_NETWORKS")
    if urlsplit(url).scheme != "https":
        raise ForbiddenAddress(f"{host} leads to {address}, which is not in DIGEST_WEBHOOK_NETWORKS: use https://")


def _beginning(response: httpx2.Response) -> str:
    """The first characters of the answer, however long it is and however it breaks off."""
    read = bytearray()
    try:
        for part in response.iter_raw():
            read += part
            if len(read) >= _MAX_BYTES:
                break
    except httpx2.HTTPError:
        pass
    return one_line(read[:_MAX_BYTES].decode(errors="replace"))[:LONGEST_ANSWER]


@cache
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context()

"""Asks a language model by the API that OpenAI began and others speak too: POST /chat/completions.

The operator chose the address, so it may be on this machine or in their network. No redirect is followed from there.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

import httpx2

from digest.papers.sources.fetch.addresses import origin
from digest.papers.sources.fetch.guard import ConnectionGuard
from digest.papers.sources.fetch.words import error_in_words, status_in_words
from digest.papers.sources.reading import JSON, decoded

MAX_BYTES = 200_000  # of an answer
_CONNECT_SECONDS = 5.0


class ModelUnavailable(Exception):
    """There was no answer; the message says why on one line, without the key.

    `for_all`: other requests would fail too, such as with a wrong key, or after too many.
    """

    def __init__(self, message: str, for_all: bool = False) -> None:
        super().__init__(message)
        self.for_all = for_all


@dataclass(frozen=True, slots=True)
class LanguageModel:
    """A model at an address such as http://127.0.0.1:11434/v1."""

    url: str
    name: str
    key: str = ""
    seconds: float = 30.0  # for one answer

    def answer(self, instructions: str, data: str, seconds: float | None = None) -> str:
        """The model's words. Raises ModelUnavailable."""
        # Servers differ in which other fields they know, and some refuse those that they do not.
        messages = [{"role": "system", "content": instructions}, {"role": "user", "content": data}]
        document = self._exchange("POST", "chat/completions", seconds, {"model": self.name, "messages": messages})
        try:
            words = document["choices"][0]["message"]["content"]
        except (LookupError, TypeError):
            words = None
        if not isinstance(words, str):
            raise ModelUnavailable(f"{self.host} answered without a message")
        return words

    def models(self) -> Sequence[str]:
        """The names of the models that the server lists. Raises ModelUnavailable."""
        document = self._exchange("GET", "models", None, None)
        listed = document.get("data") if isinstance(document, dict) else None
        return [each["id"] for each in listed or () if isinstance(each, dict) and isinstance(each.get("id"), str)]

    @property
    def host(self) -> str:
        """Of the address, without anything that may be secret."""
        return origin(self.url).host

    def _exchange(self, method: str, path: str, seconds: float | None, content: Mapping[str, Any] | None) -> Any:
        left = self.seconds if seconds is None else min(seconds, self.seconds)
        guard = ConnectionGuard()
        timeout = httpx2.Timeout(left, connect=min(_CONNECT_SECONDS, left))
        try:
            with (
                httpx2.Client(follow_redirects=False, verify=_certificates(), timeout=timeout) as client,
                guard.ends_after(left),
                client.stream(
                    method,
                    f"{self.url}/{path}",
                    json=content,
                    headers=self._headers(),
                    extensions={"trace": guard.trace},
                ) as response,
            ):
                body = self._body(response)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
            late = guard.ended or isinstance(error, httpx2.ReadTimeout)
            problem = f"did not answer within {left:.0f} seconds" if late else error_in_words(error)
            raise ModelUnavailable(f"{self.host} {problem}", isinstance(error, httpx2.ConnectError)) from None
        if guard.ended:  # without a length, a body that we cut off looks complete
            raise ModelUnavailable(f"{self.host} did not answer within {left:.0f} seconds")
        try:
            return JSON.decode(decoded(body))
        except (ValueError, RecursionError):
            raise ModelUnavailable(f"{self.host} answered with something else than JSON") from None

    def _headers(self) -> dict[str, str]:
        key = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        return {"User-Agent": "digest", "Accept": "application/json", "Accept-Encoding": "identity"} | key

    def _body(self, response: httpx2.Response) -> bytes:
        status = response.status_code
        if status != HTTPStatus.OK:
            redirected = "; redirects are not followed" if response.is_redirect else ""
            refused = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR
            raise ModelUnavailable(f"{self.host} answered {status_in_words(status)}{redirected}", refused)
        body = bytearray()
        for part in response.iter_raw():
            body += part
            if len(body) > MAX_BYTES:
                raise ModelUnavailable(f"{self.host} answered with more than {MAX_BYTES // 1_000} kB")
        return bytes(body)


@cache
def _certificates() -> ssl.SSLContext:
    return httpx2.create_ssl_context()

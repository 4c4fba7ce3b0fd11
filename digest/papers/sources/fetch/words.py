"""Reads status codes, errors and Retry-After, for messages and for waiting."""

from collections.abc import Mapping
from http import HTTPStatus

import httpx2

from digest.text import parse_instant

_PROBLEMS: dict[type[Exception], str] = {
    httpx2.ConnectTimeout: "did not take the connection in time",
    httpx2.ReadTimeout: "did not answer in time",
    httpx2.ConnectError: "cannot be reached",
    httpx2.RemoteProtocolError: "closed the connection without an answer",
    httpx2.UnsupportedProtocol: "is not an http:// or https:// address",
}


def status_in_words(code: int) -> str:
    """The status code with its name, if it has one."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def error_in_words(error: Exception) -> str:
    """The error on one line that continues after the name of a server."""
    details = str(error).splitlines()[:1]
    problem = _PROBLEMS.get(type(error), "could not be read")
    return problem + (f" ({details[0][:200]})" if details and details[0] else "")


def retry_after(headers: Mapping[str, str], wall: float) -> float | None:
    """The seconds from `wall` (Unix time) that Retry-After (RFC 9110 §10.2.3) asks for; None if it is unreadable."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    instant = parse_instant(text)
    return max(0.0, instant.timestamp() - wall) if instant else None

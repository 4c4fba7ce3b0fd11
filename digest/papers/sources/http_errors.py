"""What went wrong between us and a server, in words."""

from http import HTTPStatus

import httpx2


def status_in_words(code: int) -> str:
    """The status code with its name, where it has one."""
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def error_in_words(error: Exception) -> str:
    """What the client says, in words that go on after the name of a server, on one line."""
    known: dict[type[Exception], str] = {
        httpx2.ConnectTimeout: "did not take the connection in time",
        httpx2.ReadTimeout: "did not answer in time",
        httpx2.ConnectError: "cannot be reached",
        httpx2.RemoteProtocolError: "closed the connection without an answer",
        httpx2.UnsupportedProtocol: "is not an http:// or https:// address",
    }
    said = str(error).splitlines()[:1]
    return known.get(type(error), "could not be read") + (f" ({said[0][:200]})" if said and said[0] else "")

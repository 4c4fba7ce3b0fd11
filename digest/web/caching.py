"""Answers that are the same for everybody: kept by caches for a while, and not sent again while they stay the same."""

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

from fastapi import Request, Response

KEPT_FOR = "public, max-age=300"
ASKED_AGAIN = "public, no-cache"  # kept, and shown again only after asking whether it is still the same


def same_for_all(
    request: Request, answer: Response, changed_at: datetime | None = None, cache: str = KEPT_FOR
) -> Response:
    """`answer` with its ETag, or 304 when the client has it (RFC 9110 §13.1); only what succeeded is kept."""
    if answer.status_code != 200:
        return answer
    etag = f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
    headers = {"ETag": etag, "Cache-Control": cache}
    if changed_at is not None:
        headers["Last-Modified"] = format_datetime(changed_at.astimezone(UTC).replace(microsecond=0), usegmt=True)
    for name in ("Vary", "Content-Language"):  # with 304 a cache must know them too (RFC 9110 §15.4.5)
        if name in answer.headers:
            headers[name] = answer.headers[name]
    if is_known(request, etag, changed_at):
        return Response(status_code=304, headers=headers)
    answer.headers.update(headers)
    return answer


def is_known(request: Request, etag: str, changed_at: datetime | None = None) -> bool:
    """Whether the client says that it has this. If-None-Match goes before If-Modified-Since."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        known = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
        return etag in known or "*" in known
    since = _instant(request.headers.get("if-modified-since", ""))
    return since is not None and changed_at is not None and changed_at.replace(microsecond=0) <= since


def _instant(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)

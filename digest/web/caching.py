"""Answers that are the same for everybody: kept by caches for a while, and not sent again while they stay the same."""

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime

from fastapi import Request, Response
from starlette.staticfiles import NotModifiedResponse, StaticFiles

KEPT = "public, max-age=300"
REVALIDATED = "public, no-cache"  # kept, and shown again only after asking whether it is still the same

_FILES = StaticFiles()  # it knows what a conditional request asks (RFC 9110 §13), for any answer


def same_for_all(request: Request, answer: Response, changed_at: datetime | None = None, cache: str = KEPT) -> Response:
    """`answer` with its ETag, or 304 when the client has it; only what succeeded is kept."""
    if answer.status_code != 200:
        return answer
    answer.headers["ETag"] = f'"{hashlib.sha256(answer.body).hexdigest()[:16]}"'
    answer.headers["Cache-Control"] = cache
    if changed_at is not None:
        answer.headers["Last-Modified"] = format_datetime(changed_at.astimezone(UTC), usegmt=True)
    return NotModifiedResponse(answer.headers) if _FILES.is_not_modified(answer.headers, request.headers) else answer

"""Webhooks of email providers about bounces and complaints. Unsigned webhooks are rejected and change nothing.

The answer is 2xx once everything is stored; after any other answer, the provider sends the webhook again.
"""

from collections.abc import Callable
from typing import Any

import httpx2
import structlog
from fastapi import APIRouter, Request, Response
from starlette.exceptions import HTTPException

from digest import clock
from digest.bounces.intake.taking import Taker
from digest.bounces.providers import events, signatures, sns
from digest.bounces.reading import read
from digest.bounces.reading.payloads import mapping, parse_json, ses_reports
from digest.bounces.report import Report
from digest.settings import Settings
from digest.web.site import Site, TheSite
from digest.web.writing import RETRY_AFTER, in_turn

log = structlog.get_logger()
router = APIRouter()

_MAX_CERTIFICATE = 20_000
_certificates: dict[str, bytes] = {}  # by address; SNS changes them once a year

Read = Callable[[signatures.Headers, bytes, Settings], list[Report] | None]  # None: not signed


@router.post("/bounces/{provider}", include_in_schema=False)
async def receive(request: Request, site: TheSite, provider: str) -> Response:
    """Process the webhook of a provider. 404 if its secret is not set, 403 without a valid signature."""
    configured = _is_configured(provider, site.settings)
    if not configured:
        raise HTTPException(404)
    body = await request.body()
    headers = {name.lower(): value for name, value in request.headers.items()}
    await in_turn(_take)(site, provider, headers, body)
    return Response(status_code=204)


def _take(site: Site, provider: str, headers: signatures.Headers, body: bytes) -> None:
    reports = _READERS[provider](headers, body, site.settings)
    if reports is None:
        log.warning("webhook refused: not signed by its provider", provider=provider)
        raise HTTPException(403)
    Taker(site.engine, site.keys, clock.now).reports(reports, provider)


def _is_configured(provider: str, settings: Settings) -> bool:
    return bool(
        {
            "ses": settings.ses_topics,
            "postmark": settings.postmark_password.get_secret_value(),
            "sendgrid": settings.sendgrid_key,
            "mailgun": settings.mailgun_key.get_secret_value(),
            "generic": settings.bounce_webhook_secret.get_secret_value(),
        }.get(provider)
    )


def _ses(_headers: signatures.Headers, body: bytes, settings: Settings) -> list[Report] | None:
    fields = mapping(_parsed(body))
    try:
        if not sns.is_signed(fields, settings.ses_topics, fetch, clock.now()):
            return None
        if url := sns.confirmation_url(fields):
            fetch(url, keep=False)
    except OSError as problem:
        log.warning("Amazon SNS cannot be reached", problem=str(problem))
        raise HTTPException(503, headers=RETRY_AFTER) from None
    return ses_reports(fields)


def _postmark(headers: signatures.Headers, body: bytes, settings: Settings) -> list[Report] | None:
    is_signed = signatures.is_postmark(headers, settings.postmark_password.get_secret_value())
    return events.postmark_reports(_parsed(body)) if is_signed else None


def _sendgrid(headers: signatures.Headers, body: bytes, settings: Settings) -> list[Report] | None:
    is_signed = signatures.is_sendgrid(headers, body, settings.sendgrid_key, clock.now())
    return events.sendgrid_reports(_parsed(body)) if is_signed else None


def _mailgun(_headers: signatures.Headers, body: bytes, settings: Settings) -> list[Report] | None:
    is_signed = signatures.is_mailgun(body, settings.mailgun_key.get_secret_value(), clock.now())
    return events.mailgun_reports(_parsed(body)) if is_signed else None


def _generic(headers: signatures.Headers, body: bytes, settings: Settings) -> list[Report] | None:
    """Read JSON with the fields of a report, or a whole message as message/rfc822."""
    if not signatures.is_standard(headers, body, settings.bounce_webhook_secret.get_secret_value(), clock.now()):
        return None
    is_message = headers.get("content-type", "").startswith("message/rfc822")
    return read(body) if is_message else events.generic_reports(_parsed(body))


_READERS: dict[str, Read] = {
    "ses": _ses,
    "postmark": _postmark,
    "sendgrid": _sendgrid,
    "mailgun": _mailgun,
    "generic": _generic,
}


def _parsed(body: bytes) -> Any:
    return parse_json(body.decode("utf-8", "replace"))


def fetch(url: str, keep: bool = True) -> bytes:
    """Fetch a URL of SNS, without following redirects. Raises OSError."""
    if keep and url in _certificates:
        return _certificates[url]
    try:
        answer = httpx2.get(url, timeout=10, follow_redirects=False)
    except httpx2.HTTPError as problem:
        raise OSError(str(problem)) from problem
    if answer.status_code != 200 or len(answer.content) > _MAX_CERTIFICATE:
        raise OSError(f"it answered {answer.status_code}")
    if keep and len(_certificates) < 20:
        _certificates[url] = answer.content
    return answer.content

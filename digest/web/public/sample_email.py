"""The newest issue as an email, for people who have not subscribed."""

from dataclasses import replace

from fastapi import HTTPException, Request, Response

from digest import clock
from digest.database.engine import read_only
from digest.issues.store import newest_issue
from digest.language import _
from digest.lint import ParsedMessage
from digest.mail.preview import preview_message
from digest.web.email_frame import preview_frame
from digest.web.site import PageRouter, Site, TheSite, same_for_all

router = PageRouter()


@router.page("/sample-email")
def sample_page(site: TheSite, request: Request) -> Response:
    """The email in a frame, or that there is none yet."""
    message = _sample(site)
    subject = ParsedMessage(message).subject if message else ""
    canonical = f"{site.settings.public_url}/sample-email"
    return same_for_all(request, site.pages.show("sample_email", subject=subject, canonical=canonical))


@router.page("/sample-email/html")
def sample_html(site: TheSite, request: Request) -> Response:
    """The email by itself, for the frame."""
    message = _sample(site)
    if message is None:
        raise HTTPException(404, _("There’s no issue yet."))
    answer = preview_frame(message, site.settings.public_url)
    answer.headers.update({"Vary": "Accept-Language", "Content-Language": site.pages.language.code})
    return same_for_all(request, answer)


def _sample(site: Site) -> bytes | None:
    """The message of the newest issue to someone without preferences; it is not signed."""
    with read_only(site.engine) as connection:
        issue = newest_issue(connection)
    if issue is None:
        return None
    settings = replace(issue.settings, dkim=(), public_url=site.settings.public_url)
    return preview_message(
        site.engine, site.mail(), replace(issue, settings=settings), None, clock.now(), site.pages.language.code
    )

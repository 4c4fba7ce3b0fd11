"""A subscriber's next email, as it would be now. Nothing is queued, and nothing of it is stored."""

import math
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from fastapi import HTTPException, Response
from fastapi.responses import RedirectResponse

from digest import clock
from digest.database.engine import read_only, transaction
from digest.issues.issue import Issue
from digest.issues.publish import next_day
from digest.issues.store import issue_by_id
from digest.language import _, n_
from digest.ledger.deliveries import next_of_issue
from digest.ledger.kinds import IssueKind, Status
from digest.mail.preview import preview_message
from digest.settings import composing
from digest.subscribers.admission import TooMany
from digest.subscribers.subscriber import Frequency, due_instant, next_issue_date
from digest.web.console.forecast import forecast_of
from digest.web.email_frame import preview_frame
from digest.web.personal.links import ManageLink, PersonalLink
from digest.web.site import EarlyAnswer, PageRouter

router = PageRouter()


@dataclass(frozen=True, slots=True)
class NextEmail:
    """When it is due, and its bytes: None if none would be sent, or while its issue is still being ranked."""

    due_at: datetime
    message: bytes | None
    is_ready: bool


@router.page("/my/{token}/next-email")
def next_email_page(link: ManageLink) -> Response:
    """The day and the time, and the email in a frame."""
    if link.subscriber.status is not Status.CONFIRMED:
        return RedirectResponse(link.pages.at(f"/preferences/{link.text}"), 303)
    coming = _next_email(link)
    due_at = coming.due_at.astimezone(ZoneInfo(link.subscriber.preferences.zone)) if coming else None
    return link.show("next_email", coming=coming, due_at=due_at)


@router.page("/my/{token}/next-email/html")
def next_email_html(link: ManageLink) -> Response:
    """The email by itself, for the frame."""
    coming = _next_email(link) if link.subscriber.status is Status.CONFIRMED else None
    if coming is None or coming.message is None:
        raise HTTPException(404)
    return preview_frame(coming.message, link.site.settings.public_url, link.subscriber.email, link.address)


def _next_email(link: PersonalLink) -> NextEmail | None:
    """None if there is none within a year. Raises EarlyAnswer for one who looks too often."""
    site, subscriber, now = link.site, link.subscriber, clock.now()
    _take(link, now)
    with read_only(site.engine) as connection:
        queued = next_of_issue(connection, subscriber.key)
        if queued is not None and queued.issue_id is not None:
            issue = issue_by_id(connection, queued.issue_id, whole=True)
            due_at = queued.due_at
        else:
            issue, first = None, next_day(connection, now)
    if issue is None:
        preferences = subscriber.preferences
        day = next_issue_date(preferences, site.settings.cut_at, first)
        if day is None:
            return None
        kind = IssueKind.WEEKLY if preferences.frequency is Frequency.WEEKLY else IssueKind.DAILY
        due_at = due_instant(day, site.settings.cut_at, preferences.zone, preferences.hour)
        imagined = forecast_of(site.engine).issue(site.engine, composing.plan(site.settings, signs=False), kind, day)
        if imagined is None:
            return NextEmail(due_at, None, is_ready=False)
        issue = imagined.value
    return NextEmail(due_at, _message(link, issue, now), is_ready=True)


def _message(link: PersonalLink, issue: Issue, now: datetime) -> bytes | None:
    if not issue.papers:
        return None
    return preview_message(link.site.engine, link.site.mail(), issue, link.subscriber, now)


def _take(link: PersonalLink, now: datetime) -> None:
    try:
        with transaction(link.site.engine) as connection:
            link.site.admission.take_preview(connection, link.subscriber.id, now)
    except TooMany as problem:
        words = n_(
            "You’ve opened this preview too many times. Please try again in %(num)s minute.",
            "You’ve opened this preview too many times. Please try again in %(num)s minutes.",
            num=math.ceil(problem.seconds / 60),
        )
        answer = link.pages.say(_("Please try again shortly"), words, status=429)
        answer.headers["Retry-After"] = str(math.ceil(problem.seconds))
        raise EarlyAnswer(answer) from None

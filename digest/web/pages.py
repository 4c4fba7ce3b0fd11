"""Templates and values → HTML answers. Every page is escaped, and small."""

import re
from datetime import date
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.background import BackgroundTask

from digest.mail.words import day_of, number_of, weekday
from digest.papers.topics import TOPICS
from digest.resources import resource
from digest.settings import Settings
from digest.subscribers.subscriber import MAX_PAPERS, WEEKDAYS
from digest.web.assets import Assets

_IN_WORDS = {
    400: ("This did not work", "The request could not be read. Please go back and try it again."),
    403: ("This came from another page", "To protect you, forms are only taken from this site's own pages."),
    404: ("Nothing here", "There is no page at this address. It may have been mistyped."),
    405: ("This did not work", "This page cannot be used in that way."),
    413: ("Too much", "The form holds more text than this page takes."),
    500: ("Something went wrong", "The fault is ours, and it is in our log. Please try again in a little while."),
    503: (
        "One moment, please",
        "We cannot reach our records just now, so nothing was changed. Please try again in a few minutes.",
    ),
}


class Pages:
    """The pages of one installation."""

    def __init__(self, settings: Settings, assets: Assets) -> None:
        environment = Environment(
            loader=FileSystemLoader(resource("templates") / "web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(
            title=settings.title,
            root=urlsplit(settings.public_url).path,
            postal_address=settings.postal_address,
            contact=settings.contact,
            contact_url=_contact_url(settings.contact),
            demo=settings.inbox_dir is not None,
            asset=assets.url,
            topics=TOPICS,
            weekdays=WEEKDAYS,
            max_papers=MAX_PAPERS,
        )
        environment.filters.update(long_date=_long_date, month=_month, number_of=number_of)
        self._templates = environment

    def show(self, name: str, status: int = 200, after: BackgroundTask | None = None, **values: Any) -> HTMLResponse:
        """The page `name`; `after` runs once the answer is out."""
        page = self._templates.get_template(f"{name}.html").render(values)
        return HTMLResponse(page, status, background=after)

    def say(
        self, heading: str, *paragraphs: str, status: int = 200, after: BackgroundTask | None = None
    ) -> HTMLResponse:
        """A page that only tells something."""
        return self.show("message", status, after, heading=heading, paragraphs=paragraphs)

    def refuse(self, status: int, detail: str = "") -> HTMLResponse:
        """An error in plain words; `detail` where there is something better to say than in general."""
        heading, usual = _IN_WORDS.get(status, (HTTPStatus(status).phrase, "Please go back and try something else."))
        return self.say(heading, detail or usual, status=status)


def _long_date(day: date) -> str:
    return f"{weekday(day)}, {day_of(day)}"


def _month(day: date) -> str:
    """`November 2026`."""
    return day_of(day).partition(" ")[2]


def _contact_url(contact: str) -> str:
    """A link for the operator's contact, be it an address or a page."""
    if re.fullmatch(r"https?://\S+", contact):
        return contact
    return f"mailto:{contact}" if re.fullmatch(r"[^\s@]+@[^\s@]+", contact) else ""

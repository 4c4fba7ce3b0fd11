"""Templates and values → HTML answers. Every page is escaped, and small."""

import re
from collections.abc import Mapping
from copy import copy
from dataclasses import replace
from datetime import date
from functools import lru_cache, partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.background import BackgroundTask

from digest import clock
from digest.language import SOURCE, Language, Languages, Message, _, n_
from digest.papers.topics import TOPICS
from digest.resources import resource
from digest.settings import Settings
from digest.subscribers.subscriber import MAX_PAPERS
from digest.templating import speak
from digest.text import language_of
from digest.web.assets import Assets
from digest.web.form_time import form_time
from digest.web.negotiation import LanguageChoice, choose_language

_EMAIL = "\ue000"  # stands for an address in a page that is kept; nothing else holds this character
_FORMATS = ("long_date", "day_of", "short_date", "month", "short_month", "number")  # of a Language
_KEPT_SECONDS = 300  # much less than a form may be open
_DID_NOT_WORK = _("That didn’t work")
_IN_WORDS = {
    400: (_DID_NOT_WORK, _("We couldn’t read that request. Please go back and try again.")),
    403: (
        _("That form came from another site"),
        _("To protect you, we only accept forms sent from this site’s own pages."),
    ),
    404: (_("Page not found"), _("There’s no page at this address. Check it for typing mistakes.")),
    405: (_DID_NOT_WORK, _("This page can’t be used that way.")),
    410: (_("This page is gone"), _("We’ve removed the page that was here.")),
    413: (_("That’s too long"), _("That’s more text than this form accepts.")),
    500: (
        _("Something went wrong"),
        _("It’s our fault, and we’ve logged it. Please try again in a little while."),
    ),
    503: (
        _("Please try again shortly"),
        _("We can’t reach our database right now, so nothing has changed. Please try again in a few minutes."),
    ),
}


def _gained(votes: int) -> Message:
    return n_("%(num)s vote in a day", "%(num)s votes in a day", num=votes)


class Pages:
    """The pages of one installation, in the language of one answer."""

    def __init__(self, settings: Settings, assets: Assets, languages: Languages) -> None:
        self.languages = languages
        self._settings = settings
        self._assets = assets
        self._root = urlsplit(settings.public_url).path
        self._choice = LanguageChoice(languages.get(settings.language))
        self._in_language = lru_cache(maxsize=None)(self._make_environment)
        self._kept = lru_cache(maxsize=100)(self._render_kept)

    def for_request(self, request: Request) -> "Pages":
        """The same pages in the language that `request` asks for."""
        pages = copy(self)
        pages._choice = choose_language(request, self.languages, self._settings.language)
        return pages

    def speaking(self, code: str) -> "Pages":
        """The same pages in the language with this tag, unless the address names one; "" changes nothing."""
        if not code or self._choice.explicit:
            return self
        pages = copy(self)
        pages._choice = replace(self._choice, language=self.languages.get(code))
        return pages

    @property
    def language(self) -> Language:
        """What they are in."""
        return self._choice.language

    def asset(self, name: str) -> str:
        """The address of a static file."""
        return self._assets.url(name)

    def _make_environment(self, code: str) -> Environment:
        settings, language = self._settings, self.languages.get(code)
        environment = Environment(
            loader=FileSystemLoader(resource("templates") / "web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,  # or each page would ask for the age of each of its files
        )
        speak(environment, language)
        environment.globals.update(
            title=settings.title,
            root=self._root,
            postal_address=settings.postal_address,
            contact=settings.contact,
            contact_url=_contact_url(settings.contact),
            demo=settings.inbox_dir is not None,
            asset=self._assets.url,
            form_time=lambda: form_time(settings.secret_keys[0], clock.now()),
            public_url=settings.public_url,
            topics=TOPICS,
            languages=[(code, self.languages.get(code).name) for code in self.languages.codes],
            weekdays=[language.weekday(date(2024, 1, day)) for day in range(1, 8)],  # the 1st was a Monday
            max_papers=MAX_PAPERS,
        )
        environment.filters.update(
            capital=lambda text: _with_capital(language.say(text)),
            **{name: getattr(language, name) for name in _FORMATS},
            lang=partial(_lang, language.code.partition("-")[0]),
            say=lru_cache(maxsize=5_000)(language.say),
            as_tally=lru_cache(maxsize=1_000)(partial(_tally, language)),
            as_gain=lru_cache(maxsize=1_000)(lambda votes: language.say(_gained(votes))),
            as_rank=lru_cache(maxsize=1_000)(lambda rank: language.say(_("Number %(rank)s", rank=rank))),
            as_votes=lru_cache(maxsize=1_000)(
                lambda votes: language.say(n_("%(num)s vote", "%(num)s votes", num=votes))
            ),
        )
        return environment

    def at(self, path: str) -> str:
        """A link within this site, or within the current page such as `?page=2`; keeps the chosen language."""
        return self._at(self._choice, path)

    def _at(self, choice: LanguageChoice, path: str) -> str:
        return choice.kept(self._root + path if path.startswith("/") else path)

    def show(self, name: str, status: int = 200, after: BackgroundTask | None = None, **values: Any) -> HTMLResponse:
        """The page `name`; `after` runs once the answer is out."""
        choice = self._choice if status == HTTPStatus.OK else replace(self._choice, translations=())
        return _answer(self._render_in(choice, name, values), status, choice, after)

    def show_typed(self, name: str, status: int, email: str, **values: str) -> HTMLResponse:
        """As show(), with the address that was typed, in a page that is rendered once for many: in a flood, that takes
        longer than all else.
        """
        choice = replace(self._choice, translations=())
        page = self._kept(choice, name, tuple(values.items()), int(clock.now().timestamp() // _KEPT_SECONDS))
        return _answer(page.replace(_EMAIL, str(escape(email))), status, choice)

    def _render_kept(self, choice: LanguageChoice, name: str, values: tuple[tuple[str, str], ...], _when: int) -> str:
        return self._render_in(choice, name, dict(values) | {"email": _EMAIL})

    def _render_in(self, choice: LanguageChoice, name: str, values: Mapping[str, Any]) -> str:
        template = self._in_language(choice.language.code).get_template(f"{name}.html")
        return template.render(values, at=partial(self._at, choice), choice=choice)

    def render(self, name: str, **values: Any) -> str:
        """A page of the console, which is in English for everybody."""
        return self._in_language(SOURCE).get_template(name).render(values)

    def say(
        self, heading: str, *paragraphs: str, status: int = 200, after: BackgroundTask | None = None
    ) -> HTMLResponse:
        """A page that only tells something."""
        return self.show("message", status, after, heading=heading, paragraphs=paragraphs)

    def refuse(self, status: int, detail: str = "") -> HTMLResponse:
        """An error in plain words; `detail` where there is something better to say than in general."""
        heading, usual = _IN_WORDS.get(status, (_DID_NOT_WORK, _("Please go back and try again.")))
        return self.say(heading, detail or usual, status=status)


def _lang(page: str, text: str | Message) -> Markup:
    """The attribute for text in another language than the page's; nothing in the same, or in an unknown one."""
    code = language_of(text) if isinstance(text, str) else page  # our own words for a missing title
    return Markup("") if code in ("", page) else Markup(' lang="{}"').format(code)


def _answer(page: str, status: int, choice: LanguageChoice, after: BackgroundTask | None = None) -> HTMLResponse:
    headers = {"Vary": "Accept-Language", "Content-Language": choice.language.code}
    return HTMLResponse(page, status, headers, background=after)


def _tally(language: Language, votes: int) -> Markup:
    """`<b>106</b> votes`: the number stands out wherever a language puts it."""
    text = language.say(n_("%(num)s vote", "%(num)s votes", num=votes))
    number = language.number(votes)
    return escape(text).replace(number, Markup("<b>{}</b>").format(number), 1)


def _with_capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _contact_url(contact: str) -> str:
    """A link for the operator's contact, be it an address or a page."""
    if re.fullmatch(r"https?://\S+", contact):
        return contact
    return f"mailto:{contact}" if re.fullmatch(r"[^\s@]+@[^\s@]+", contact) else ""

"""A posted form → Preferences, or what is wrong with each field, in words. Pure.

The one place that knows what readers may ask for.
"""

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import cache
from typing import TypeVar
from zoneinfo import ZoneInfo, available_timezones

from digest.language import SOURCE, Message, _
from digest.papers.taxonomy import closest_category, parse_category
from digest.papers.topics import TOPIC_SLUGS, TOPICS, topic_with
from digest.subscribers.subscriber import EVERY_DAY, MAX_PAPERS, WORKDAYS, Frequency, Preferences

MAX_WISHES = 20  # of one kind: keywords, categories, authors, …
PAUSES = ("0", "7", "14", "30")  # days from today; beside them "until" with a date
MAX_PAUSE = timedelta(days=366)
DEFAULTS = Preferences()
FIELDS = (
    "topics", "keywords", "categories", "authors", "labs", "muted_topics", "muted_words", "surprise", "papers",
    "frequency", "weekday", "hour", "zone", "language", "pause", "pause_until",
)  # fmt: skip

Form = Mapping[str, list[str]]
Errors = dict[str, Message]
T = TypeVar("T")


class _Wrong(Exception):
    """What is wrong with a field, in words for the reader."""

    def __init__(self, words: Message) -> None:
        super().__init__(words)
        self.words = words


@dataclass(frozen=True, slots=True)
class _Asked:
    """The form, what holds where a field is absent, when it was posted, what there is, and what was wrong so far."""

    form: Form
    current: Preferences
    now: datetime
    languages: Collection[str]
    errors: Errors = field(default_factory=dict)

    def one(self, name: str, otherwise: str) -> str:
        return (self.form.get(name) or [otherwise])[-1].strip()

    def read(self, name: str, read: "Callable[[_Asked], T]", otherwise: T) -> T:
        try:
            return read(self)
        except _Wrong as wrong:
            self.errors[name] = wrong.words
            return otherwise


def parse_preferences(
    form: Form, now: datetime, current: Preferences = DEFAULTS, languages: Collection[str] = (SOURCE,)
) -> Preferences | Errors:
    """What the reader asks for, or field → message. `languages`: the tags of those that there are.

    An absent field keeps its current value, but for the check boxes of `topics`: browsers leave them out when none is
    ticked.
    """
    asked = _Asked(form, current, now, languages)
    preferences = replace(
        current,
        topics=asked.read("topics", _topics, current.topics),
        keywords=asked.read("keywords", lambda form: _words(form, "keywords"), current.keywords),
        categories=asked.read("categories", _categories, current.categories),
        authors=asked.read("authors", lambda form: _words(form, "authors"), current.authors),
        labs=asked.read("labs", lambda form: _words(form, "labs"), current.labs),
        muted_topics=asked.read("muted_topics", _muted_topics, current.muted_topics),
        muted_words=asked.read("muted_words", lambda form: _words(form, "muted_words"), current.muted_words),
        surprise=asked.one("surprise", "yes" if current.surprise else "no") == "yes",
        papers=asked.read("papers", _papers, current.papers),
        frequency=_frequency(asked),
        weekdays=asked.read("frequency", _weekdays, current.weekdays),
        zone=asked.read("zone", _zone, current.zone),
        hour=asked.read("hour", _hour, current.hour),
        language=asked.read("language", _language, current.language),
        paused_until=asked.read("pause", _paused_until, current.paused_until),
    )
    return asked.errors or preferences


def holds_preferences(form: Form) -> bool:
    """Whether a form says anything about preferences."""
    return any(name in form for name in FIELDS)


def known_zone(text: str) -> str | None:
    """The IANA name that somebody meant: "europe/berlin", "Berlin" and "new york" too. None for anything else."""
    return _zones_by_folded_name().get(text.strip().casefold().replace(" ", "_"))


def local_date(now: datetime, zone: str) -> date:
    """The reader's own date."""
    return now.astimezone(ZoneInfo(zone)).date()


def _topics(asked: _Asked) -> tuple[str, ...]:
    chosen = set(asked.form.get("topics", []))
    if chosen - TOPIC_SLUGS:
        raise _Wrong(_("Choose topics from the list."))
    return tuple(topic.slug for topic in TOPICS if topic.slug in chosen)


def _muted_topics(asked: _Asked) -> tuple[str, ...]:
    if "muted_topics" not in asked.form:
        return asked.current.muted_topics
    chosen = set(asked.form["muted_topics"]) - {""}  # a hidden "" tells no tick from no such field
    if chosen - TOPIC_SLUGS:
        raise _Wrong(_("Choose topics from the list."))
    both = sorted(chosen & set(asked.form.get("topics", [])))
    if both and (topic := topic_with(both[0])):
        said = _("“%(topic)s” is also one of your topics. Untick one of the two.", topic=topic.name)
        raise _Wrong(said)
    return tuple(topic.slug for topic in TOPICS if topic.slug in chosen)


def _categories(asked: _Asked) -> tuple[str, ...]:
    if "categories" not in asked.form:
        return asked.current.categories
    typed = asked.one("categories", "").replace(",", " ").replace(";", " ").split()
    for text in typed:
        if parse_category(text) is None:
            raise _Wrong(_no_category(text[:30], closest_category(text)))
    names = dict.fromkeys(name for name in map(parse_category, typed) if name)
    return _not_too_many(tuple(names))


def _no_category(text: str, near: str | None) -> Message:
    if near:
        return _("arXiv has no category “%(text)s”. Did you mean %(near)s?", text=text, near=near)
    return _("arXiv has no category “%(text)s”. Categories look like cs.CL, or cs for a whole archive.", text=text)


def _words(asked: _Asked, field: str) -> tuple[str, ...]:
    """Words or names, separated by commas, each once however it is written."""
    if field not in asked.form:
        return tuple(getattr(asked.current, field))
    parts = (" ".join(part.split()) for part in asked.one(field, "").split(","))
    words = tuple({word.casefold(): word for word in parts if word}.values())
    for word in words:
        if not 2 <= len(word) <= 60:
            raise _Wrong(_("Each word or name must have 2 to 60 characters. “%(word)s” doesn’t.", word=word[:30]))
        if not word.isprintable():
            raise _Wrong(_("There’s an invisible character in one of the words or names."))
    return _not_too_many(words)


def _not_too_many(words: tuple[str, ...]) -> tuple[str, ...]:
    if len(words) > MAX_WISHES:
        raise _Wrong(_("That’s %(count)s. The limit is %(most)s.", count=len(words), most=MAX_WISHES))
    return words


def _papers(asked: _Asked) -> int:
    return _number(asked.one("papers", str(asked.current.papers)), 1, MAX_PAPERS)


def _hour(asked: _Asked) -> int:
    return _number(asked.one("hour", str(asked.current.hour)), 0, 23)


def _frequency(asked: _Asked) -> Frequency:
    if "frequency" not in asked.form:
        return asked.current.frequency
    return Frequency.WEEKLY if asked.one("frequency", "") == "weekly" else Frequency.DAILY


def _weekdays(asked: _Asked) -> frozenset[int]:
    if "frequency" not in asked.form:
        return asked.current.weekdays
    frequency = asked.one("frequency", "")
    if frequency == "weekly":
        weekday = asked.one("weekday", "0")
        if weekday not in map(str, range(7)):
            raise _Wrong(_("Choose a day from Monday to Sunday."))
        return frozenset([int(weekday)])
    chosen = {"daily": EVERY_DAY, "workdays": WORKDAYS}.get(frequency)
    if chosen is None:
        raise _Wrong(_("Choose every day, Monday to Friday, or once a week."))
    return chosen


def _zone(asked: _Asked) -> str:
    text = asked.one("zone", asked.current.zone)
    zone = known_zone(text)
    if zone is None:
        near = difflib.get_close_matches(text[:64].casefold(), _zones_by_folded_name(), n=1)
        if near:
            meant = _zones_by_folded_name()[near[0]]
            raise _Wrong(_("We don’t know that time zone. Did you mean %(zone)s?", zone=meant))
        raise _Wrong(_("We don’t know that time zone. Try one like Europe/Berlin or Asia/Tokyo."))
    return zone


def _language(asked: _Asked) -> str:
    code = asked.one("language", asked.current.language)
    if code not in ("", asked.current.language, *asked.languages):
        raise _Wrong(_("Choose a language from the list."))
    return code


def _paused_until(asked: _Asked) -> date | None:
    """The local date of the first mail after the pause; a pause that is over is none."""
    today = local_date(asked.now, known_zone(asked.one("zone", asked.current.zone)) or "UTC")
    pause = asked.one("pause", "until" if "pause_until" in asked.form else "keep")
    if pause == "keep":
        return asked.current.paused_until
    if pause in PAUSES:
        return today + timedelta(days=int(pause)) if pause != "0" else None
    try:
        until = date.fromisoformat(asked.one("pause_until", ""))
    except ValueError:
        raise _Wrong(_("Enter the date of your first email after the pause, like 2026-12-31.")) from None
    if not today < until <= today + MAX_PAUSE:
        raise _Wrong(_("Choose a date after today and within a year."))
    return until


def _number(text: str, low: int, high: int) -> int:
    # isdecimal() alone takes digits of every script, and int() a number of any length.
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and low <= int(text) <= high):
        raise _Wrong(_("Enter a number from %(low)s to %(high)s.", low=low, high=high))
    return int(text)


@cache
def _zones_by_folded_name() -> dict[str, str]:
    names = sorted(available_timezones() - {"localtime", "Factory"})
    cities = {name.rpartition("/")[2].casefold(): name for name in names if name.startswith(_REGIONS)}
    return cities | {name.casefold(): name for name in names}


_REGIONS = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")

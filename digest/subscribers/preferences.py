"""Parses the form of preferences into Preferences, or into a message for each field that is wrong. Pure."""

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache, partial
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from digest.language import SOURCE, Message, UserError, _
from digest.papers.taxonomy import closest_category, parse_category
from digest.papers.topics import TOPIC_SLUGS, TOPICS, topic_with
from digest.subscribers.subscriber import EVERY_DAY, MAX_PAPERS, WORKDAYS, Frequency, Preferences

MAX_INTERESTS = 20  # of one kind: keywords, categories, authors, …
PAUSES = ("0", "7", "14", "30")  # days from today; the form also has "until", with a date
MAX_PAUSE = timedelta(days=366)
DEFAULTS = Preferences()
FIELDS = (
    "topics", "keywords", "categories", "authors", "labs", "muted_topics", "muted_words", "surprise", "papers",
    "frequency", "weekday", "hour", "zone", "language", "pause", "pause_until",
)  # fmt: skip

Form = Mapping[str, list[str]]
Errors = dict[str, Message]


class _Invalid(UserError):
    """A field has a value that is not allowed."""


@dataclass(frozen=True, slots=True)
class _PostedForm:
    fields: Form
    current: Preferences  # kept where a field is absent
    now: datetime
    languages: Collection[str]

    def text(self, name: str, default: object = "") -> str:
        """Return the last value of a field: the ticked box comes after the hidden field that stands for unticked."""
        return (self.fields.get(name) or [str(default)])[-1].strip()


def parse_preferences(
    form: Form, now: datetime, current: Preferences = DEFAULTS, languages: Collection[str] = (SOURCE,)
) -> Preferences | Errors:
    """Return the preferences after the form was posted, or messages by field. `languages` are those on offer.

    An absent field keeps its current value, except for `topics`: browsers omit check boxes when none is ticked.
    """
    posted = _PostedForm(form, current, now, languages)
    values: dict[str, Any] = {}
    errors: Errors = {}
    for name, parse in _PARSERS.items():
        try:
            values[name] = parse(posted)
        except _Invalid as problem:
            errors[_FIELD_OF.get(name, name)] = problem.words
    return errors or replace(current, **values)


def holds_preferences(form: Form) -> bool:
    return any(name in form for name in FIELDS)


def known_zone(text: str) -> str | None:
    """Return the IANA name that was meant by, say, "europe/berlin", "Berlin" or "new york"; None if there is none."""
    return _zones_by_folded_name().get(text.strip().casefold().replace(" ", "_"))


def local_date(now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(zone)).date()


def _topics(posted: _PostedForm) -> tuple[str, ...]:
    return _listed_topics(set(posted.fields.get("topics", [])))


def _muted_topics(posted: _PostedForm) -> tuple[str, ...]:
    if "muted_topics" not in posted.fields:
        return posted.current.muted_topics
    slugs = set(posted.fields["muted_topics"]) - {""}  # a hidden "" tells no tick from no such field
    muted = _listed_topics(slugs)
    both = sorted(slugs & set(posted.fields.get("topics", [])))
    if both and (topic := topic_with(both[0])):
        raise _Invalid(_("“%(topic)s” is also one of your topics. Untick one of the two.", topic=topic.name))
    return muted


def _listed_topics(slugs: set[str]) -> tuple[str, ...]:
    if slugs - TOPIC_SLUGS:
        raise _Invalid(_("Choose topics from the list."))
    return tuple(topic.slug for topic in TOPICS if topic.slug in slugs)


def _categories(posted: _PostedForm) -> tuple[str, ...]:
    if "categories" not in posted.fields:
        return posted.current.categories
    names: dict[str, None] = {}
    for text in posted.text("categories").replace(",", " ").replace(";", " ").split():
        name = parse_category(text)
        if name is None:
            raise _Invalid(_no_category(text[:30], closest_category(text)))
        names[name] = None
    return _limited(tuple(names))


def _no_category(text: str, near: str | None) -> Message:
    if near:
        return _("arXiv has no category “%(text)s”. Did you mean %(near)s?", text=text, near=near)
    return _("arXiv has no category “%(text)s”. Categories look like cs.CL, or cs for a whole archive.", text=text)


def _words(posted: _PostedForm, field: str) -> tuple[str, ...]:
    """Parse words or names that are separated by commas; those that differ only in case count as the same."""
    if field not in posted.fields:
        return tuple(getattr(posted.current, field))
    parts = (" ".join(part.split()) for part in posted.text(field).split(","))
    words = tuple({word.casefold(): word for word in parts if word}.values())
    for word in words:
        if not 2 <= len(word) <= 60:
            raise _Invalid(_("Each word or name must have 2 to 60 characters. “%(word)s” doesn’t.", word=word[:30]))
        if not word.isprintable():
            raise _Invalid(_("There’s an invisible character in one of the words or names."))
    return _limited(words)


def _limited(words: tuple[str, ...]) -> tuple[str, ...]:
    if len(words) > MAX_INTERESTS:
        raise _Invalid(_("That’s %(count)s. The limit is %(most)s.", count=len(words), most=MAX_INTERESTS))
    return words


def _surprise(posted: _PostedForm) -> bool:
    return posted.text("surprise", "yes" if posted.current.surprise else "no") == "yes"


def _frequency(posted: _PostedForm) -> Frequency:
    if "frequency" not in posted.fields:
        return posted.current.frequency
    return Frequency.WEEKLY if posted.text("frequency") == "weekly" else Frequency.DAILY


def _weekdays(posted: _PostedForm) -> frozenset[int]:
    if "frequency" not in posted.fields:
        return posted.current.weekdays
    frequency = posted.text("frequency")
    if frequency == "weekly":
        weekday = posted.text("weekday", 0)
        if weekday not in map(str, range(7)):
            raise _Invalid(_("Choose a day from Monday to Sunday."))
        return frozenset([int(weekday)])
    days = {"daily": EVERY_DAY, "workdays": WORKDAYS}.get(frequency)
    if days is None:
        raise _Invalid(_("Choose every day, Monday to Friday, or once a week."))
    return days


def _zone(posted: _PostedForm) -> str:
    text = posted.text("zone", posted.current.zone)
    if zone := known_zone(text):
        return zone
    zones = _zones_by_folded_name()
    if near := difflib.get_close_matches(text[:64].casefold(), zones, n=1):
        raise _Invalid(_("We don’t know that time zone. Did you mean %(zone)s?", zone=zones[near[0]]))
    raise _Invalid(_("We don’t know that time zone. Try one like Europe/Berlin or Asia/Tokyo."))


def _language(posted: _PostedForm) -> str:
    code = posted.text("language", posted.current.language)
    if code not in ("", posted.current.language, *posted.languages):
        raise _Invalid(_("Choose a language from the list."))
    return code


def _paused_until(posted: _PostedForm) -> date | None:
    """Parse the local date of the first issue after the pause."""
    today = local_date(posted.now, known_zone(posted.text("zone", posted.current.zone)) or "UTC")
    pause = posted.text("pause", "until" if "pause_until" in posted.fields else "keep")
    if pause == "keep":
        return posted.current.paused_until
    if pause in PAUSES:
        return today + timedelta(days=int(pause)) if pause != "0" else None
    try:
        until = date.fromisoformat(posted.text("pause_until"))
    except ValueError:
        raise _Invalid(_("Enter the date of your first email after the pause, like 2026-12-31.")) from None
    if not today < until <= today + MAX_PAUSE:
        raise _Invalid(_("Choose a date after today and within a year."))
    return until


def _number(posted: _PostedForm, field: str, low: int, high: int) -> int:
    text = posted.text(field, getattr(posted.current, field))
    # isdecimal() alone takes digits of every script, and int() a number of any length.
    if not (text.isascii() and text.isdecimal() and len(text) < 4 and low <= int(text) <= high):
        raise _Invalid(_("Enter a number from %(low)s to %(high)s.", low=low, high=high))
    return int(text)


_PARSERS: Mapping[str, Callable[[_PostedForm], Any]] = {
    "topics": _topics,
    "keywords": partial(_words, field="keywords"),
    "categories": _categories,
    "authors": partial(_words, field="authors"),
    "labs": partial(_words, field="labs"),
    "muted_topics": _muted_topics,
    "muted_words": partial(_words, field="muted_words"),
    "surprise": _surprise,
    "papers": partial(_number, field="papers", low=1, high=MAX_PAPERS),
    "frequency": _frequency,
    "weekdays": _weekdays,
    "zone": _zone,
    "hour": partial(_number, field="hour", low=0, high=23),
    "language": _language,
    "paused_until": _paused_until,
}
_FIELD_OF = {"weekdays": "frequency", "paused_until": "pause"}


@cache
def _zones_by_folded_name() -> dict[str, str]:
    names = sorted(available_timezones() - {"localtime", "Factory"})
    cities = {name.rpartition("/")[2].casefold(): name for name in names if name.startswith(_REGIONS)}
    return cities | {name.casefold(): name for name in names}


_REGIONS = ("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")

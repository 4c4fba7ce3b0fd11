"""Parses the form of preferences into Preferences, or into a message for each wrong field, and fills it in. Pure."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from digest.language import SOURCE, Message, UserError, _
from digest.papers.taxonomy import closest_category, parse_category
from digest.papers.topics import TOPIC_SLUGS, TOPICS, topic_with
from digest.subscribers.subscriber import EVERY_DAY, MAX_PAPERS, WORKDAYS, Balance, Frequency, Preferences
from digest.text import ascii_forms, listed, listed_words, parse_date
from digest.zones import close_zones, known_zone, shown_zone

MAX_INTERESTS = 20  # of one kind: keywords, categories, authors, …
PAUSES = ("0", "7", "14", "30")  # days from today; anything else means "until" the date of another field
MAX_PAUSE = timedelta(days=366)
NOTHING_TO_FOLLOW = _(
    "You don’t follow anything yet and haven’t liked any paper, so no email would ever come. Choose a topic, keyword,"
    " author, lab or category, or another mix."
)
DEFAULTS = Preferences()
FIELDS = (
    "topics", "keywords", "categories", "authors", "labs", "muted_topics", "muted_words", "surprise", "balance",
    "papers", "full_lists", "frequency", "weekday", "hour", "zone", "language", "pause", "pause_until",
)  # fmt: skip
_DAYS = {"daily": EVERY_DAY, "workdays": WORKDAYS}
_COMMA_SEPARATED = ("keywords", "categories", "authors", "labs", "muted_words")

Form = Mapping[str, list[str]]
Errors = dict[str, Message]


class _Invalid(UserError):
    """A field has a value that is not allowed."""


@dataclass(frozen=True, slots=True)
class _PostedForm:
    fields: Form
    current: Preferences
    now: datetime
    languages: Collection[str]

    def text(self, name: str) -> str:
        return ascii_forms(value(self.fields, name)).strip()

    def slugs(self, name: str) -> set[str]:
        """Return the ticked topics of a field; a hidden "" tells no tick from no such field."""
        return set(self.fields.get(name, [])) - {""}


def value(form: Form, name: str) -> str:
    """Return the last value of a field, without spaces around it; "" when it is absent.

    A ticked box comes after the hidden field that stands for unticked.
    """
    return (form.get(name) or [""])[-1].strip(" \u00a0\u3000")


def parse_preferences(
    form: Form,
    now: datetime,
    current: Preferences = DEFAULTS,
    languages: Collection[str] = (SOURCE,),
    has_liked: bool = False,
) -> Preferences | Errors:
    """Return the preferences after the form was posted, or messages by field. `languages` are those on offer.

    Only what they follow is for someone who follows something, or has liked papers (`has_liked`).
    An absent field keeps its current value, except for `topics`: browsers omit check boxes when none is ticked.
    """
    posted = _PostedForm(form, current, now, languages)
    values: dict[str, Any] = {}
    errors: Errors = {}
    for name, parse in _PARSERS.items():
        field = _FIELD_OF.get(name, name)
        try:
            if form.get(field) or name == "topics":
                values[name] = parse(posted)
        except _Invalid as problem:
            errors[field] = problem.words
    changed = replace(current, **values)
    if not (errors or has_liked or changed.may_match):
        errors["balance"] = NOTHING_TO_FOLLOW
    return errors or changed


def holds_preferences(form: Form) -> bool:
    return any(name in form for name in FIELDS)


def fields_of(preferences: Preferences, now: datetime) -> dict[str, Any]:
    """Return the fields of the form with a subscriber's preferences."""
    until = preferences.paused_until
    paused = until if until and until > local_date(now, preferences.zone) else None
    daily = {days: name for name, days in _DAYS.items()} if preferences.frequency is Frequency.DAILY else {}
    return {
        "topics": set(preferences.topics),
        "muted_topics": set(preferences.muted_topics),
        **{name: ", ".join(getattr(preferences, name)) for name in _COMMA_SEPARATED},
        "surprise": "yes" if preferences.surprise else "no",
        "balance": str(preferences.balance),
        "full_lists": "yes" if preferences.full_lists else "no",
        "papers": str(preferences.papers),
        "frequency": daily.get(preferences.weekdays, "weekly"),
        "weekday": str(min(preferences.weekdays)),
        "hour": str(preferences.hour),
        "zone": shown_zone(preferences.zone),
        "language": preferences.language,
        "pause": "until" if paused else "0",
        "pause_until": paused.isoformat() if paused else "",
    }


def fields_typed(form: Form, stored: dict[str, Any]) -> dict[str, Any]:
    """Return the fields as someone filled them in, so that nothing has to be typed twice; else as they are `stored`."""
    typed = {name: values[-1] for name, values in form.items() if name in stored and values}
    return stored | typed | {name: set(form.get(name, [])) - {""} for name in ("topics", "muted_topics")}


def local_date(now: datetime, zone: str) -> date:
    return now.astimezone(ZoneInfo(zone)).date()


def _topics(posted: _PostedForm) -> tuple[str, ...]:
    return _listed_topics(posted.slugs("topics"))


def _muted_topics(posted: _PostedForm) -> tuple[str, ...]:
    both = sorted(posted.slugs("muted_topics") & posted.slugs("topics"))
    if both and (topic := topic_with(both[0])):
        raise _Invalid(_("“%(topic)s” is also one of your topics. Follow it or mute it, not both.", topic=topic.name))
    return _listed_topics(posted.slugs("muted_topics"))


def _listed_topics(slugs: set[str]) -> tuple[str, ...]:
    if slugs - TOPIC_SLUGS:
        raise _Invalid(_("Choose topics from the list."))
    return tuple(topic.slug for topic in TOPICS if topic.slug in slugs)


def _categories(posted: _PostedForm) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for text in listed_words(posted.text("categories")):
        name = parse_category(text)
        if name is None:
            near = closest_category(text)
            raise _Invalid(
                _("arXiv has no category “%(text)s”. Did you mean %(near)s?", text=text[:30], near=near)
                if near
                else _(
                    "arXiv has no category “%(text)s”. Categories look like cs.CL, or cs for a whole archive.",
                    text=text[:30],
                )
            )
        names[name] = None
    return _limited(tuple(names))


def _words(posted: _PostedForm, field: str) -> tuple[str, ...]:
    """Parse a list of words or names; those that differ only in case count as the same."""
    words = tuple({word.casefold(): word for word in listed(posted.text(field))}.values())
    for word in words:
        if not 2 <= len(word) <= 60:
            raise _Invalid(_("Each word or name must have 2 to 60 characters. “%(word)s” doesn’t.", word=word[:30]))
        if not word.isprintable():
            raise _Invalid(_("There’s an invisible character in one of the words or names."))
        if not any(map(str.isalnum, word)):  # it would match every paper or none
            raise _Invalid(_("“%(word)s” has no letter or digit. Enter a word or a name.", word=word[:30]))
    return _limited(words)


def _limited(words: tuple[str, ...]) -> tuple[str, ...]:
    if len(words) > MAX_INTERESTS:
        raise _Invalid(_("That’s %(count)s. The limit is %(most)s.", count=len(words), most=MAX_INTERESTS))
    return words


def _yes(posted: _PostedForm, field: str) -> bool:
    return posted.text(field) == "yes"


def _balance(posted: _PostedForm) -> Balance:
    if posted.text("balance") not in list(Balance):
        raise _Invalid(_("Choose the day’s best papers, both, mostly your own, or only what you follow."))
    return Balance(posted.text("balance"))


def _frequency(posted: _PostedForm) -> Frequency:
    return Frequency.WEEKLY if posted.text("frequency") == "weekly" else Frequency.DAILY


def _weekdays(posted: _PostedForm) -> frozenset[int]:
    if posted.text("frequency") == "weekly":
        weekday = posted.text("weekday") or "0"
        if weekday not in map(str, range(7)):
            raise _Invalid(_("Choose a day from Monday to Sunday."))
        return frozenset([int(weekday)])
    if posted.text("frequency") not in _DAYS:
        raise _Invalid(_("Choose every day, Monday to Friday, or once a week."))
    return _DAYS[posted.text("frequency")]


def _zone(posted: _PostedForm) -> str:
    text = posted.text("zone")
    if zone := known_zone(text):
        return zone
    if zones := " · ".join(close_zones(text, posted.now)):
        raise _Invalid(_("We don’t know that time zone. Did you mean one of these? %(zones)s", zones=zones))
    raise _Invalid(_("We don’t know that time zone. Try a city like Berlin or an offset like UTC+8."))


def _language(posted: _PostedForm) -> str:
    code = posted.text("language")
    if code not in ("", posted.current.language, *posted.languages):
        raise _Invalid(_("Choose a language from the list."))
    return code


def _paused_until(posted: _PostedForm) -> date | None:
    """Parse the local date of the first issue after the pause."""
    today = local_date(posted.now, known_zone(posted.text("zone")) or posted.current.zone)
    pause = posted.text("pause")
    if pause in PAUSES:
        return today + timedelta(days=int(pause)) if pause != "0" else None
    until = parse_date(posted.text("pause_until"))
    if until is None:
        raise _Invalid(_("Enter the date of your first email after the pause, like 2026-12-31."))
    if not today < until <= today + MAX_PAUSE:
        raise _Invalid(_("Choose a date after today and within a year."))
    return until


def _number(posted: _PostedForm, field: str, low: int, high: int) -> int:
    text = posted.text(field)
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
    "surprise": partial(_yes, field="surprise"),
    "balance": _balance,
    "full_lists": partial(_yes, field="full_lists"),
    "papers": partial(_number, field="papers", low=1, high=MAX_PAPERS),
    "frequency": _frequency,
    "weekdays": _weekdays,
    "zone": _zone,
    "hour": partial(_number, field="hour", low=0, high=23),
    "language": _language,
    "paused_until": _paused_until,
}
_FIELD_OF = {"weekdays": "frequency", "paused_until": "pause"}

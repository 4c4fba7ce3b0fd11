"""The days on which a source is expected to list papers, and by when. Pure.

arXiv announces from Sunday to Thursday at 20:00 US Eastern time (info.arxiv.org, "Submission schedule and
availability"), so its lists have the dates of Monday to Friday; after an evening without an announcement, a US holiday,
the next day has none. Hugging Face has no lists at weekends and short ones on the days after arXiv's holidays. Nothing
is expected of any other source.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from digest.language import _

_DAY = timedelta(days=1)
_MONDAY, _THURSDAY = 0, 3
_WEEKEND = {5: _("Saturday"), 6: _("Sunday")}


@dataclass(frozen=True, slots=True)
class Expected:
    """Expectations of a list day. `why_none` is the reason why there is no list, or ""."""

    why_none: str = ""
    by: datetime | None = None  # the time by which it is expected; None without a calendar
    short: bool = False  # the list is shorter than usual
    ids_grow: bool = False  # each list has a newer arXiv id than the previous list


def expected(source: str, day: date) -> Expected:
    """Expectations of `source` for `day` (the date of the list, UTC)."""
    rule = _RULES.get(source)
    return rule(day) if rule else Expected()


def holiday(day: date) -> str:
    """The US holiday on which arXiv announces nothing, or ""."""
    return dict(_holidays(day.year)).get(day, "")


def _arxiv(day: date) -> Expected:
    # Nothing is announced on Friday and Saturday evening, so Saturday and Sunday have no list.
    why_none = _weekend(day) or holiday(day - _DAY)
    return Expected(why_none, _at(day, time(6)), ids_grow=True)


def _huggingface(day: date) -> Expected:
    why_none = _weekend(day) or (holiday(day) if (day.month, day.day) in _EVERYWHERE else "")
    return Expected(why_none, _at(day, time(6)), short=bool(holiday(day) or holiday(day - _DAY)))


_EVERYWHERE = frozenset({(1, 1), (12, 25)})  # holidays nearly everywhere
_RULES: dict[str, Callable[[date], Expected]] = {"arxiv": _arxiv, "huggingface": _huggingface}


def _weekend(day: date) -> str:
    return _WEEKEND.get(day.weekday(), "")


def _at(day: date, hour: time) -> datetime:
    return datetime.combine(day, hour, UTC)


def _holidays(year: int) -> Iterator[tuple[date, str]]:
    yield date(year, 1, 1), _("New Year’s Day")
    yield _nth(year, 1, _MONDAY, 3), _("Martin Luther King Day")
    yield _last_monday(year, 5), _("Memorial Day")
    yield date(year, 6, 19), _("Juneteenth")
    yield date(year, 7, 4), _("Independence Day")
    yield _nth(year, 9, _MONDAY, 1), _("Labor Day")
    yield _nth(year, 11, _THURSDAY, 4), _("Thanksgiving")
    yield date(year, 12, 24), _("Christmas Eve")
    yield date(year, 12, 25), _("Christmas")
    yield date(year, 12, 31), _("New Year’s Eve")


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _last_monday(year: int, month: int) -> date:
    last = date(year, month + 1, 1) - _DAY
    return last - timedelta(days=(last.weekday() - _MONDAY) % 7)

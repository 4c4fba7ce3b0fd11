"""Preferences ↔ what stands in the fields of the form."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from digest.subscribers.preferences import local_date
from digest.subscribers.subscriber import EVERY_DAY, WORKDAYS, Frequency, Preferences

_SEVERAL = ("keywords", "categories", "authors", "labs", "muted_words")  # typed with commas between


def fields_of(preferences: Preferences, now: datetime) -> dict[str, Any]:
    """The form as it shows what a reader has."""
    paused = _still_paused(preferences, now)
    return {
        "topics": set(preferences.topics),
        "muted_topics": set(preferences.muted_topics),
        **{name: ", ".join(getattr(preferences, name)) for name in _SEVERAL},
        "surprise": "yes" if preferences.surprise else "no",
        "papers": str(preferences.papers),
        "frequency": _frequency(preferences),
        "weekday": str(min(preferences.weekdays)),
        "hour": str(preferences.hour),
        "zone": preferences.zone,
        "language": preferences.language,
        "pause": "until" if paused else "0",
        "pause_until": paused.isoformat() if paused else "",
    }


def fields_typed(form: Mapping[str, list[str]], otherwise: dict[str, Any]) -> dict[str, Any]:
    """The form as somebody filled it, so that nothing has to be typed twice."""
    typed = {name: values[-1] for name, values in form.items() if name in otherwise and values}
    ticked = {name: set(form.get(name, [])) - {""} for name in ("topics", "muted_topics")}
    return otherwise | typed | ticked


def _frequency(preferences: Preferences) -> str:
    if preferences.frequency is Frequency.WEEKLY:
        return "weekly"
    return {EVERY_DAY: "daily", WORKDAYS: "workdays"}.get(preferences.weekdays, "weekly")


def _still_paused(preferences: Preferences, now: datetime) -> date | None:
    until = preferences.paused_until
    return until if until and until > local_date(now, preferences.zone) else None

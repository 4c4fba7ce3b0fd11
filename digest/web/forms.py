"""Posted fields → values; preferences ↔ what stands in the fields of their form."""

from datetime import date, datetime
from typing import Any

from digest.subscribers.preferences import Form, local_date
from digest.subscribers.subscriber import EVERY_DAY, WORKDAYS, Frequency, Preferences

_COMMA_SEPARATED = ("keywords", "categories", "authors", "labs", "muted_words")


def value(form: Form, name: str) -> str:
    """The field's value without spaces around it; "" when it is absent."""
    return (form.get(name) or [""])[-1].strip(" ")


def parse_date(text: str) -> date | None:
    """The date of a text like 2026-11-23; None for anything else."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None  # fromisoformat also takes 20261123 and 2026-W48-1


def fields_of(preferences: Preferences, now: datetime) -> dict[str, Any]:
    """The form as it shows what a subscriber has."""
    until = preferences.paused_until
    paused = until if until and until > local_date(now, preferences.zone) else None
    return {
        "topics": set(preferences.topics),
        "muted_topics": set(preferences.muted_topics),
        **{name: ", ".join(getattr(preferences, name)) for name in _COMMA_SEPARATED},
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


def fields_typed(form: Form, stored: dict[str, Any]) -> dict[str, Any]:
    """The form as somebody filled it, so that nothing has to be typed twice; else as it is `stored`."""
    typed = {name: values[-1] for name, values in form.items() if name in stored and values}
    ticked = {name: set(form.get(name, [])) - {""} for name in ("topics", "muted_topics")}
    return stored | typed | ticked


def _frequency(preferences: Preferences) -> str:
    if preferences.frequency is Frequency.WEEKLY:
        return "weekly"
    return {EVERY_DAY: "daily", WORKDAYS: "workdays"}.get(preferences.weekdays, "weekly")

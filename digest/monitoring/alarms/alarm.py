"""The texts of alarms, for every channel. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from digest.monitoring.checks import Level, Problem
from digest.text import minute_of


@dataclass(frozen=True, slots=True)
class Alarm:
    """A problem that began, or one that is over."""

    problem: Problem
    is_over: bool = False

    @property
    def headline(self) -> str:
        label = "Over" if self.is_over else self.problem.level.capitalize()
        return f"{label}: {self.problem.text}"


@dataclass(frozen=True, slots=True)
class AlarmOrigin:
    """Where alarms come from."""

    title: str  # of the digest
    public_url: str
    host: str


def subject_of(alarms: Sequence[Alarm], origin: AlarmOrigin) -> str:
    """One line: the most urgent alarm, and how many others there are."""
    first = min(alarms, key=lambda alarm: (alarm.is_over, alarm.problem.level is not Level.CRITICAL))
    others = f" (and {len(alarms) - 1} more)" if len(alarms) > 1 else ""
    return f"[{origin.title}] {first.headline}{others}"


def text_of(alarms: Sequence[Alarm], origin: AlarmOrigin) -> str:
    end = f"Everything at a glance: digest status\n{origin.title}, {origin.public_url}, noticed on {origin.host}\n"
    return "\n\n".join([*map(_paragraph, alarms), end])


def document_of(alarms: Sequence[Alarm], origin: AlarmOrigin) -> dict[str, Any]:
    """For webhooks and commands. Chat services show its `text`."""
    return {
        "text": "\n".join([f"{origin.title}:", *(alarm.headline for alarm in alarms)]),
        "installation": origin.public_url,
        "host": origin.host,
        "alarms": [
            {
                "name": alarm.problem.name,
                "subject": alarm.problem.subject,
                "level": alarm.problem.level,
                "text": alarm.problem.text,
                "remedy": alarm.problem.remedy,
                "since": alarm.problem.since.isoformat() if alarm.problem.since else None,
                "is_over": alarm.is_over,
            }
            for alarm in alarms
        ],
    }


def _paragraph(alarm: Alarm) -> str:
    problem = alarm.problem
    if alarm.is_over:
        return alarm.headline
    since = [f"Since {minute_of(problem.since)}"] if problem.since else []
    return "\n".join([alarm.headline, *since, problem.remedy])

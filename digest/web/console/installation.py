"""The sources with their last answers, and the settings in force. Secrets are never shown."""

import re
from typing import Any

from fastapi import Response
from pydantic import SecretStr

from digest import clock
from digest.database.engine import read_only
from digest.monitoring.operators import all_operators
from digest.monitoring.surroundings import read_sources
from digest.papers.collecting import newest_runs
from digest.settings import PREFIX, Settings
from digest.settings.model import GROUPS
from digest.web.console.access import AnyRole, ConsoleRouter

router = ConsoleRouter()

_RUNS = 10  # of each source
_IN_URL = re.compile(r"(?<=://)[^/\s@]+@|(?<=\?)[^\s,]+")  # user and password, and a query, which may hold a key


@router.page("/sources")
def show_sources(visitor: AnyRole) -> Response:
    now, names = clock.now(), visitor.site.settings.sources
    with read_only(visitor.site.engine) as connection:
        sources = read_sources(connection, names, now)
        runs = {name: newest_runs(connection, name, now, _RUNS) for name in names}
    return visitor.show("sources", sources=sources, runs=runs)


@router.page("/settings")
def show_settings(visitor: AnyRole) -> Response:
    settings = visitor.site.settings
    groups = [(group.__doc__, [_row(settings, name) for name in group.model_fields]) for group in GROUPS]
    with read_only(visitor.site.engine) as connection:
        people = all_operators(connection, clock.now())
    return visitor.show("settings", groups=groups, people=people)


def _row(settings: Settings, name: str) -> tuple[str, str, bool]:
    """The variable, its value for people, and whether it was set."""
    return PREFIX + name.upper(), masked(getattr(settings, name)), name in settings.model_fields_set


def masked(value: Any) -> str:
    """A setting as a page may show it."""
    if isinstance(value, SecretStr):
        return "set, and not shown" if value.get_secret_value() else "empty"
    if isinstance(value, dict):
        return masked(", ".join(f"{key}={each}" for key, each in value.items()))
    if isinstance(value, list | tuple | set | frozenset):
        return masked(", ".join(map(str, value)))
    if isinstance(value, bool):
        return "true" if value else "false"
    return _IN_URL.sub("…", str(value)) if value not in ("", None) else "empty"

"""The commands status and check."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from digest import clock
from digest.cli.output import answer, with_json
from digest.settings import settings

if TYPE_CHECKING:  # the help text should not wait for the database's library
    from sqlalchemy import Engine

    from digest.monitoring.checks import Problem
    from digest.monitoring.status import InstallationStatus

_WATCH_SECONDS = 2.0
_PATIENCE = 10.0  # seconds for a lock of the database
_CLEAR = "\x1b[H\x1b[2J"
OK, WARNING, CRITICAL, UNKNOWN = range(4)  # the exit codes of monitoring plugins


@with_json
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew every 2 seconds, until Ctrl-C.")] = False,
) -> None:
    """Show what runs, how far today's issue is, and what is in the way. Exit code 3 without a database."""
    from digest.cli.status.screen import screen

    with _database() as database:
        while True:
            state, problems = _examine(database)
            if watch and sys.stdout.isatty():
                sys.stdout.write(_CLEAR)
            answer(_document(state, problems), partial(screen, state, problems))
            if not watch:
                break
            sys.stdout.flush()
            time.sleep(_WATCH_SECONDS)
    if state.database_problem:
        sys.exit(UNKNOWN)


@with_json
def check() -> None:
    """Say in one line if all is well, for monitoring. Exit code 0: yes, 1: warning, 2: critical, 3: cannot tell."""
    from digest.cli.status.screen import check_lines, summary

    with _database() as database:
        state, problems = _examine(database)
    code = max((_CODES[problem.level] for problem in problems), default=OK)
    document = {"level": _LEVELS[code], "exit_code": code, "summary": summary(state, problems)}
    answer(document | {"problems": list(map(asdict, problems))}, lambda: check_lines(state, problems))
    sys.exit(code)


_LEVELS = ("ok", "warning", "critical")
_CODES = {"warning": WARNING, "critical": CRITICAL}


@contextmanager
def _database() -> "Iterator[Engine]":
    from digest.database.engine import checkpoint, connect

    engine = connect(settings().database, patience=_PATIENCE)
    try:
        yield engine
    finally:
        checkpoint(engine)


def _examine(database: "Engine") -> "tuple[InstallationStatus, list[Problem]]":
    from digest.monitoring.checks import problems
    from digest.monitoring.status import read_status

    state = read_status(database, settings(), clock.now())
    return state, problems(state)


def _document(state: "InstallationStatus", problems: "list[Problem]") -> dict[str, Any]:
    """The document of --json."""
    return asdict(state) | {
        "processes": [
            asdict(each) | {"alive": each.is_alive(state.at), "dead": each.is_dead(state.at)}
            for each in state.processes
        ],
        "why_nothing_is_sent": list(state.why_nothing_is_sent),
        "problems": list(map(asdict, problems)),
    }

"""Logs of a process: one line an event on stderr, as text or JSON, for our events and those of the libraries."""

import logging
import math
import re
import sys
import time
from typing import Any

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor

from digest.settings import settings, unknown_variables

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# At level info they log every request, task and tick.
_CHATTY = ("httpx2", "httpcore2", "alembic", "mail.log", "kombu", "celery")


def set_up_logs(debug: bool = False, program: str = "") -> None:
    """Send all logs to stderr. Each line names `program` unless that is "". Raises SettingsError."""
    level = logging.DEBUG if debug else logging.getLevelNamesMapping()[settings().log_level.upper()]
    about: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        *([_naming(program)] if program else []),
        structlog.processors.format_exc_info,
    ]
    shown = _shown(settings().log_json)
    structlog.configure(
        processors=[OncePerInterval(), *about, *shown],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    libraries = logging.StreamHandler(sys.stderr)
    without_record = ProcessorFormatter.remove_processors_meta
    libraries.setFormatter(
        ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name], processors=[*about, without_record, *shown]
        )
    )
    logging.basicConfig(level=max(level, logging.INFO), handlers=[libraries])
    logging.captureWarnings(True)
    for chatty in _CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of each tick that is skipped because the last one is still running, as a slow reading of sources does,
    # and prints a traceback of each outage; the scheduler logs failures itself.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    for name in unknown_variables():
        structlog.get_logger().warning("unknown setting; it has no effect", variable=name)


class OncePerInterval:
    """Drops an event that came less than its `every` seconds ago; the next line says how often that was."""

    def __init__(self) -> None:
        self._quiet_until: dict[str, float] = {}
        self._dropped: dict[str, int] = {}

    def __call__(self, _logger: Any, _method: str, event: EventDict) -> EventDict:
        seconds = event.pop("every", None)
        if seconds is None:
            return event
        text, now = event["event"], time.monotonic()
        if now < self._quiet_until.get(text, -math.inf):
            self._dropped[text] = self._dropped.get(text, 0) + 1
            raise structlog.DropEvent
        self._quiet_until[text] = now + seconds
        if dropped := self._dropped.pop(text, 0):
            event["repeated"] = dropped
        return event


def _naming(program: str) -> Processor:
    def name(_logger: Any, _method: str, event: EventDict) -> EventDict:
        event.setdefault("program", program)
        return event

    return name


def _shown(as_json: bool) -> list[Processor]:
    if as_json:
        return [structlog.processors.JSONRenderer()]
    if sys.stderr.isatty():
        return [structlog.dev.ConsoleRenderer()]
    text = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    return [text, _on_one_line]


def _on_one_line(_logger: Any, _method: str, text: Any) -> str:
    """Escape line breaks, so that a traceback or an SMTP reply stays one event."""
    return _CONTROL.sub(lambda sign: repr(sign[0])[1:-1], text)

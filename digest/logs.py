"""Logs for the whole process: structlog on stderr, JSON when the operator wants it."""

import logging
import sys

import structlog

from digest.settings import settings, unknown_variables


def set_up_logs(debug: bool = False) -> None:
    """Send our logs, and those of the libraries, to stderr. Raises SettingsError."""
    level = logging.DEBUG if debug else logging.getLevelNamesMapping()[settings().log_level.upper()]
    logging.basicConfig(level=max(level, logging.INFO), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    # At level info they log every request and every tick.
    for chatty in ("httpx2", "httpcore2", "alembic", "mail.log", "kombu", "celery.redirected"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It warns of each tick that is skipped because the last one is still running, as a slow reading of sources does,
    # and prints a traceback of each outage; the scheduler logs failures itself.
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    shown = (
        structlog.processors.JSONRenderer()
        if settings().log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    for name in unknown_variables():
        structlog.get_logger().warning("unknown setting; it has no effect", variable=name)

"""Checks the database, Redis, the clock, processes and disks."""

import contextlib
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx2
import redis
from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from digest import wiring
from digest.database.dialect import database_now
from digest.database.engine import problem_of, read_only
from digest.database.migrate import why_not_current
from digest.monitoring.checks import Level, problems
from digest.monitoring.doctor.finding import Finding
from digest.monitoring.status import read_status
from digest.settings import Settings

_SECONDS = 3.0
_CLOCK_TOLERANCE = 60.0  # seconds
# Remedies by a part of the database's error; the first match counts.
_DATABASE_REMEDIES = {
    "password authentication failed": "Correct user and password in DIGEST_DATABASE_URL.",
    "no password supplied": "Write user and password in DIGEST_DATABASE_URL: postgresql://user:password@host/name.",
    "does not exist": "Create it (createdb, createuser), or correct DIGEST_DATABASE_URL.",
    "onnection refused": "Start PostgreSQL, or correct host and port in DIGEST_DATABASE_URL.",
    "There is no database": "Run: digest migrate; or correct DIGEST_DATABASE_URL.",
    "no pg_hba.conf entry": "Allow this machine in pg_hba.conf of PostgreSQL, or add ?sslmode=require.",
    "timeout": "Check host and port in DIGEST_DATABASE_URL, and firewalls in between.",
}
_PROCESSES = ("no-", "worker-", "scheduler-", "web-")


def database(engine: Engine, settings: Settings) -> Finding:
    where = engine.url.render_as_string(hide_password=True)
    try:
        with read_only(engine) as connection:
            remedy = why_not_current(connection)
    except (SQLAlchemyError, OSError) as error:
        problem = problem_of(error)
        fitting = (remedy for text, remedy in _DATABASE_REMEDIES.items() if text in problem)
        advice = next(fitting, "Check DIGEST_DATABASE_URL; a new installation needs: digest migrate")
        return Finding("database", False, f"{where}: {problem}", advice, blocks=True)
    if remedy:
        return Finding("database", False, f"{where}: its tables are not those of this version", remedy, blocks=True)
    if engine.dialect.name == "sqlite" and Path(file := engine.url.database or "").stat().st_mode & 0o077:
        return Finding("database", False, f"{where}: others on this machine can read it", f"Run: chmod 600 {file}")
    advice = (
        ""
        if settings.database_url.get_secret_value()
        else "SQLite is suitable for up to 10,000 subscribers on one machine."
    )
    return Finding("database", True, where, advice)


def broker(url: str) -> Finding:
    if not url:
        return Finding("redis", False, "not set", "digest up starts its own Valkey; otherwise set DIGEST_REDIS_URL.")
    try:
        with _redis(url) as client:
            client.ping()
    except redis.AuthenticationError as error:
        return Finding("redis", False, str(error), "Correct the password in DIGEST_REDIS_URL.", blocks=True)
    except redis.RedisError as error:
        advice = "Start Redis or Valkey, or correct DIGEST_REDIS_URL; deliveries wait meanwhile."
        return Finding("redis", False, str(error), advice, blocks=True)
    return Finding("redis", True, "answers")


def _redis(url: str) -> "contextlib.closing[Any]":
    limits: dict[str, Any] = {"socket_connect_timeout": _SECONDS, "socket_timeout": _SECONDS, "retry": None}
    return contextlib.closing(redis.Redis.from_url(url, **limits))


# --- clocks ---


def clocks(settings: Settings) -> Iterator[Finding]:
    """Compare this machine's clock with others in reach."""
    differences = {name: seconds for name, seconds in _differences(settings) if seconds is not None}
    if not differences:
        yield Finding("clock", True, "there is no other clock to compare it with")
        return
    name, worst = max(differences.items(), key=lambda item: abs(item[1]))
    if abs(worst) <= _CLOCK_TOLERANCE:
        yield Finding("clock", True, f"agrees with {' and '.join(differences)}")
        return
    state = f"this machine's clock is {abs(worst):,.0f} seconds {'ahead of' if worst > 0 else 'behind'} that of {name}"
    yield Finding("clock", False, state, "Set both clocks by NTP, for example with: timedatectl set-ntp true")


def _differences(settings: Settings) -> Iterator[tuple[str, float | None]]:
    if not settings.database.startswith("sqlite"):
        yield "the database", _ahead(lambda: _database_time(settings))
    if url := settings.redis_url.get_secret_value():
        yield "Redis", _ahead(lambda: _redis_time(url))
    if address := _web_server(settings):
        yield address, _ahead(lambda: _web_time(address))


def _ahead(read: Any) -> float | None:
    """Return the seconds by which this machine is ahead; None without an answer, which another check reports."""
    before = time.time()
    try:
        theirs: datetime = read()
    except (SQLAlchemyError, redis.RedisError, httpx2.HTTPError, OSError, KeyError, ValueError):
        return None
    return (before + time.time()) / 2 - theirs.timestamp()


def _database_time(settings: Settings) -> datetime:
    engine = wiring.impatient_engine(settings)
    try:
        with read_only(engine) as connection:
            instant: datetime = connection.execute(select(database_now(engine.dialect.name))).scalar_one()
            return instant
    finally:
        engine.dispose()


def _redis_time(url: str) -> datetime:
    with _redis(url) as client:
        seconds, microseconds = client.time()
        return datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)


def _web_server(settings: Settings) -> str:
    """Return the web server of a source, which is read every half an hour anyway."""
    addresses = {
        "huggingface": settings.huggingface_url,
        "arxiv": settings.arxiv_url,
        "hackernews": settings.hackernews_url,
    }
    return next((addresses[name] for name in settings.sources if name in addresses), "")


def _web_time(address: str) -> datetime:
    response = httpx2.head(address, timeout=_SECONDS, headers={"User-Agent": "digest"})
    return parsedate_to_datetime(response.headers["date"])


# --- processes and disks ---


def programs(engine: Engine, settings: Settings, at: datetime) -> Iterator[Finding]:
    """Report workers and schedulers that ended or never ran, and full disks, as in `digest status`."""
    status = read_status(engine, settings, at)
    for problem in problems(status):
        is_process = problem.name.startswith(_PROCESSES) and problem.name != "no-issue"
        if is_process or problem.name == "disk":
            # Starting a program for the first time is a step of the installation; a program that ended needs repair.
            blocks = problem.level is Level.CRITICAL and (problem.name == "disk" or problem.since is not None)
            what = "disk" if problem.name == "disk" else "processes"
            yield Finding(what, False, problem.text, f"{problem.remedy}.", blocks)

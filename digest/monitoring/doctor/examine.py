"""Checks an installation without changing it: settings, database, Redis, mail servers; status.py has the rest."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import redis
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from digest import clock, wiring
from digest.database.engine import problem_of, read_only
from digest.database.migrate import why_not_current
from digest.monitoring.doctor.files import files
from digest.monitoring.doctor.finding import Finding
from digest.monitoring.doctor.sending import sending
from digest.settings import Settings, settings_file, unknown_variables
from digest.smtp import Timeouts, connection_problem
from digest.text import domain_of

_TIMEOUT_SECONDS = 10


def examine(settings: Settings) -> list[Finding]:
    """Every finding, in the order in which an operator would fix them."""
    engine = wiring.engine(settings)
    try:
        return [
            *_settings(settings),
            *files(settings),
            _database(engine, settings),
            _redis(settings.redis_url.get_secret_value()),
            *_mail_servers(settings),
            *sending(engine, settings, clock.now()),
        ]
    finally:
        engine.dispose()


def _settings(settings: Settings) -> Iterator[Finding]:
    yield Finding("settings file", True, str(settings_file() or "none; only the environment is read"))
    for name in unknown_variables():
        yield Finding("settings", False, f"{name} is not a setting", "Check the spelling in docs/configuration.md.")
    secret, file = settings.secret_key.get_secret_value(), settings.data_dir / "secret_key"
    yield _needed(
        "secret key",
        bool(secret),
        "set" if secret else f"generated, in {file}" if file.exists() else "not set",
        "Set DIGEST_SECRET_KEY, the same on every machine; links in emails depend on it.",
    )
    yield _needed(
        "public address",
        settings.public_url.startswith("https://"),
        settings.public_url,
        "Set DIGEST_PUBLIC_URL to the https:// address of the pages.",
        blocks=True,
    )
    yield _needed(
        "sender",
        domain_of(settings.mail_from) != "localhost",
        settings.mail_from,
        "Set DIGEST_MAIL_FROM to an address of a domain that you control.",
        blocks=True,
    )
    yield _needed(
        "postal address",
        bool(settings.postal_address),
        settings.postal_address or "not set",
        "Set DIGEST_POSTAL_ADDRESS; many countries require it in every email.",
    )


def _needed(what: str, well: bool, state: str, advice: str, blocks: bool = False) -> Finding:
    """A finding with advice, which may block, only if something is missing."""
    return Finding(what, True, state) if well else Finding(what, False, state, advice, blocks)


def _database(engine: Engine, settings: Settings) -> Finding:
    where = engine.url.render_as_string(hide_password=True)
    try:
        with read_only(engine) as connection:
            remedy = why_not_current(connection)
    except (SQLAlchemyError, OSError) as error:
        advice = "Check DIGEST_DATABASE_URL and its permissions; a new installation needs: digest migrate"
        return Finding("database", False, f"{where}: {problem_of(error)}", advice, blocks=True)
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


def _redis(url: str) -> Finding:
    if not url:
        return Finding("redis", False, "not set", "digest up starts its own Valkey; otherwise set DIGEST_REDIS_URL.")
    try:
        with contextlib.closing(redis.Redis.from_url(url, socket_connect_timeout=_TIMEOUT_SECONDS)) as client:
            client.ping()
    except redis.RedisError as error:
        return Finding("redis", False, str(error), "Check DIGEST_REDIS_URL; deliveries wait meanwhile.", blocks=True)
    return Finding("redis", True, "answers")


def _mail_servers(settings: Settings) -> Iterator[Finding]:
    if not settings.relays:
        yield Finding(
            "mail server",
            False,
            "not set",
            "Set DIGEST_SMTP_URL, e.g. smtp+starttls://user:password@host:587.",
            blocks=True,
        )
    for relay in settings.relays:
        problem = connection_problem(relay, Timeouts().connect)
        advice = "Check DIGEST_SMTP_URL: host, port, scheme, user and password."
        yield _needed(
            f"mail server {relay.host}:{relay.port}", not problem, problem or "accepts the login", advice, blocks=True
        )

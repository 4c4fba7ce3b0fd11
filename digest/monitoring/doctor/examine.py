"""Checks an installation without changing it. The topics are checked in parallel, each with a time limit."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from digest import clock, wiring
from digest.monitoring.doctor.domain import dns_findings
from digest.monitoring.doctor.files import files
from digest.monitoring.doctor.finding import Finding
from digest.monitoring.doctor.relay import relay_findings, relay_settings
from digest.monitoring.doctor.sending import sending
from digest.monitoring.doctor.services import broker, clocks, database, programs
from digest.monitoring.doctor.upkeep import backups, language_model, mailboxes, replay_log
from digest.settings import Settings, settings_file, unknown_variables
from digest.text import domain_of

SECONDS = 14.0  # for all topics together


def examine(settings: Settings, seconds: float = SECONDS) -> list[Finding]:
    """Return every finding, in the order in which an operator would fix them."""
    redis_url, now = settings.redis_url.get_secret_value(), clock.now()
    topics = [
        _Topic("settings", partial(_settings, settings)),
        _Topic("files", lambda: [*files(settings), *replay_log(settings)]),
        _Topic("database", partial(_database, settings)),
        _Topic("redis", lambda: [broker(redis_url)]),
        _Topic("mail server", partial(relay_settings, settings)),
        *(
            _Topic(f"mail server {relay.host}:{relay.port}", partial(relay_findings, relay, settings, now))
            for relay in settings.relays
        ),
        _Topic("DNS", partial(dns_findings, settings)),
        _Topic("bounce mailbox", partial(mailboxes, settings)),
        _Topic("language model", partial(language_model, settings)),
        _Topic("clock", partial(clocks, settings)),
    ]
    until = time.monotonic() + seconds
    return [finding for topic in topics for finding in topic.findings(until)]


class _Topic:
    """Runs one check in a thread, which is abandoned if it hangs."""

    def __init__(self, name: str, check: Callable[[], Iterable[Finding]]) -> None:
        self._name = name
        self._check = check
        self._findings: list[Finding] | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"doctor-{name}", daemon=True)
        self._thread.start()

    def findings(self, until: float) -> list[Finding]:
        """Return its findings, or a finding that there are none by `until` (monotonic)."""
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._error is not None:
            raise self._error
        if self._findings is None:
            advice = "Run digest doctor again; if this happens again, restart the service that it waits for."
            return [Finding(self._name, False, "the check got no answer in time", advice, blocks=True)]
        return self._findings

    def _run(self) -> None:
        try:
            self._findings = list(self._check())
        except BaseException as error:  # noqa: BLE001 - raised again by findings()
            self._error = error


def _database(settings: Settings) -> Iterator[Finding]:
    engine = wiring.impatient_engine(settings)
    try:
        yield database(engine, settings)
        yield from sending(engine, settings, clock.now())
        yield from programs(engine, settings, clock.now())
        yield from backups(engine, clock.now())
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

"""Sends alarms by email, to a webhook and to a command. None of them needs the database, Redis or a writable disk."""

import json
import shlex
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence

import httpx2
import structlog

from digest.monitoring.alarms.alarm import Alarm, AlarmOrigin, document_of, subject_of, text_of
from digest.monitoring.direct_mail import plain_message, send_directly
from digest.settings import Settings
from digest.text import one_line

log = structlog.get_logger()

_SECONDS = 15.0

Channel = Callable[[Settings, Sequence[Alarm], AlarmOrigin], str]


def channel_names(settings: Settings) -> list[str]:
    """The channels that are set."""
    return [name for name, _channel in _channels(settings)]


def announce(settings: Settings, alarms: Sequence[Alarm]) -> dict[str, str]:
    """Send the alarms by each channel that is set. Returns the problem of each, "" if it took them."""
    origin = AlarmOrigin(settings.title, settings.public_url, socket.gethostname())
    results = {name: channel(settings, alarms, origin) for name, channel in _channels(settings)}
    for name, problem in results.items():
        if problem:
            log.error("an alarm could not be sent", channel=name, problem=problem)
    return results


def call(url: str) -> str:
    """GET an address; the problem, or ""."""
    return _request("GET", url, None)


def _channels(settings: Settings) -> Iterator[tuple[str, Channel]]:
    if settings.alarm_to:
        yield "email", _email
    if settings.alarm_webhook_url.get_secret_value():
        yield "webhook", _webhook
    if settings.alarm_command:
        yield "command", _command


def _email(settings: Settings, alarms: Sequence[Alarm], origin: AlarmOrigin) -> str:
    envelopes = plain_message(settings, settings.alarm_to, subject_of(alarms, origin), text_of(alarms, origin))
    return send_directly(settings.alarm_relays, envelopes)


def _webhook(settings: Settings, alarms: Sequence[Alarm], origin: AlarmOrigin) -> str:
    return _request("POST", settings.alarm_webhook_url.get_secret_value(), document_of(alarms, origin))


def _request(method: str, url: str, document: object) -> str:
    """The problem, which never quotes the address: it may hold a secret."""
    try:
        with httpx2.Client(timeout=_SECONDS, headers={"User-Agent": "digest"}) as client:
            answer = client.request(method, url, json=document) if document else client.request(method, url)
    except httpx2.HTTPError as error:
        return type(error).__name__
    return "" if answer.is_success else f"it answered {answer.status_code}"


def _command(settings: Settings, alarms: Sequence[Alarm], origin: AlarmOrigin) -> str:
    program = shlex.split(settings.alarm_command)
    text = json.dumps(document_of(alarms, origin))
    try:
        done = subprocess.run(program, input=text, text=True, capture_output=True, timeout=2 * _SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return getattr(error, "strerror", None) or "it takes too long"
    return "" if done.returncode == 0 else f"exit code {done.returncode}: {one_line(done.stderr)[:200]}"

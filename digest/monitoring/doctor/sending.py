"""Checks of sending: DKIM keys, the journal, a pause of all sending, the warm-up, uncertain deliveries, sign-ups."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from digest import wiring
from digest.database.engine import read_only
from digest.mail.compose.dkim import load_signer
from digest.mail.pauses import EVERYTHING, Pause, current
from digest.mail.policy_codes import with_meaning
from digest.mail.throttle import sent_on
from digest.mail.throttle.requested import why_hour_full
from digest.monitoring.doctor.finding import Finding
from digest.settings import Settings
from digest.subscribers.admission import refused_lately
from digest.text import minute_of


def sending(engine: Engine, settings: Settings, now: datetime) -> Iterator[Finding]:
    """Every finding; without a database, only those about this machine."""
    yield from _keys(settings)
    yield from _journal(wiring.journal_folder(settings))
    yield _in_doubt(settings)
    try:
        with read_only(engine) as connection:
            findings = [
                *_pauses(connection, now),
                *_warm_up(connection, settings, now),
                *_requested(connection, settings, now),
                _requests(connection, now),
            ]
    except SQLAlchemyError:
        return
    yield from findings


# --- this machine ---


def _keys(settings: Settings) -> Iterator[Finding]:
    if not settings.dkim_keys:
        yield Finding("DKIM", True, "messages are not signed here; the mail server has to sign them")
    for selector, file in settings.dkim_keys.items():
        try:
            signer = load_signer(selector, file.read_bytes())
        except (OSError, ValueError) as error:
            state = f"{file}: {getattr(error, 'strerror', None) or error}"
            yield Finding(f"DKIM key {selector}", False, state, "Check DIGEST_DKIM_KEYS.", blocks=True)
            continue
        private = not file.stat().st_mode & 0o077
        kind = f"RSA, {signer.key.key_size} bits" if isinstance(signer.key, RSAPrivateKey) else "Ed25519"
        state = f"{kind}, {file}" + ("" if private else "; others on this machine can read it")
        yield Finding(f"DKIM key {selector}", private, state, "" if private else f"Run: chmod 600 {file}")


def _journal(folder: Path) -> Iterator[Finding]:
    there = next(path for path in (folder, *folder.parents) if _exists(path))
    if not (there.is_dir() and os.access(there, os.R_OK | os.W_OK | os.X_OK, effective_ids=True)):
        advice = "Workers need it: give their user write permission, or set DIGEST_DATA_DIR."
        yield Finding("workers' journal", False, f"{folder} cannot be written", advice, blocks=True)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # the parent folder cannot be entered, and is checked next
        return False


# --- the database ---


def _pauses(connection: Connection, now: datetime) -> Iterator[Finding]:
    """Of all sending: `digest status` shows those of domains, and what waits for the operator."""
    pauses = [pause for pause in current(connection, now) if pause.scope == EVERYTHING]
    if not pauses:
        yield Finding("sending", True, "not paused")
    for pause in pauses:
        advice = "Once that is fixed: digest resume --sending"
        reason = with_meaning(pause.reason)
        yield Finding("sending", False, f"paused {_span(pause)}: {reason}", advice, blocks=True)


def _span(pause: Pause) -> str:
    until = f"next attempt at {minute_of(pause.until)}" if pause.until else "until it is resumed"
    by = f"by {pause.by} " if pause.by else ""
    return f"{by}since {minute_of(pause.since)}, {until}"


def _warm_up(connection: Connection, settings: Settings, now: datetime) -> Iterator[Finding]:
    first, today = settings.warm_up_from, now.astimezone(UTC).date()
    if first is None:
        return
    limit = settings.limits.day_limit(today)
    if limit is None:
        yield Finding("warm-up", True, f"begins on {first}")
        return
    sent = sent_on(connection, today)
    state = f"day {(today - first).days + 1}: {sent} of {limit} messages sent"
    advice = (
        ""
        if sent < limit
        else "The rest waits until tomorrow (UTC). See DIGEST_WARM_UP_FROM and DIGEST_WARM_UP_FIRST_DAY."
    )
    yield Finding("warm-up", sent < limit, state, advice)


def _requested(connection: Connection, settings: Settings, now: datetime) -> Iterator[Finding]:
    if why := why_hour_full(connection, settings.limits, now):
        advice = "The rest waits for up to a day. If many people sign up, raise it; if they are invented, leave it."
        yield Finding("requested messages", False, why, advice)


def _in_doubt(settings: Settings) -> Finding:
    policy = "held" if settings.in_doubt == "hold" else "sent again as the same bytes"
    return Finding("uncertain deliveries", True, f"{policy} (DIGEST_IN_DOUBT)")


def _requests(connection: Connection, now: datetime) -> Finding:
    """Refusals of the forms in the last day."""
    limits, last = refused_lately(connection, now)
    if last is None:
        return Finding("sign-ups", True, "none was refused since yesterday")
    state = f"some were refused beyond the limits ({', '.join(limits)}), last in the hour from {minute_of(last)}"
    advice = (
        "If they all come through your proxy, set DIGEST_FORWARDED_ALLOW_IPS. If they are welcome, raise "
        "DIGEST_REQUESTED_PER_HOUR."
    )
    return Finding("sign-ups", False, state, advice)

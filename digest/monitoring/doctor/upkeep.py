"""Checks what nobody notices until it is needed: bounce mailboxes, the replay log, backups and the language model."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from digest import wiring
from digest.bounces.intake.everywhere import BounceSources, waiting
from digest.database.engine import read_only
from digest.monitoring.backup.records import last_backup
from digest.monitoring.doctor.finding import Finding
from digest.papers.summaries.client import ModelUnavailable
from digest.settings import Settings
from digest.smtp import is_loopback
from digest.text import minute_of

_OLD = timedelta(days=2)
_MODEL_SECONDS = 5.0
_NAMED = 5  # models


def mailboxes(settings: Settings) -> Iterator[Finding]:
    """Read each mailbox of delivery reports, and leave its messages unread."""
    sources = settings.bounce_sources
    if sources.maildir:
        advice = "Check DIGEST_BOUNCE_MAILDIR: it needs the folders new and cur, which the user of Digest may change."
        folders = [sources.maildir / name for name in ("new", "cur")]
        if closed := [folder for folder in folders if not os.access(folder, os.R_OK | os.W_OK | os.X_OK)]:
            yield Finding("bounce Maildir", False, f"{closed[0]} cannot be used", advice)
        else:
            yield _waiting("bounce Maildir", BounceSources(sources.maildir), advice)
    if sources.mailbox:
        yield _waiting("bounce mailbox", BounceSources(mailbox=sources.mailbox), "Check DIGEST_BOUNCE_IMAP_URL.")


def _waiting(what: str, sources: BounceSources, advice: str) -> Finding:
    try:
        number = waiting(sources)
    except OSError as problem:
        return Finding(what, False, f"cannot be read: {problem}", advice)
    return Finding(what, True, f"{number} {'message waits' if number == 1 else 'messages wait'}")


def replay_log(settings: Settings) -> Iterator[Finding]:
    """Check that changes since a backup can be logged, unless the whole data folder is unusable."""
    folder = settings.replay_folder
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        yield Finding("replay log", True, str(folder))
    elif nearest != settings.data_dir.absolute():
        advice = "Check DIGEST_REPLAY_DIR; without this log, all email would wait for digest settle after a restore."
        yield Finding("replay log", False, f"{folder} cannot be written", advice)


def backups(engine: Engine, now: datetime) -> Iterator[Finding]:
    """Check the age of the last backup; without a database, another check reports that."""
    try:
        with read_only(engine) as connection:
            last = last_backup(connection)
    except SQLAlchemyError:
        return
    if last is None:
        yield Finding("backup", True, "digest backup has not made one yet")
        return
    age = now - last.at
    state = f"the last was made at {minute_of(last.at)}"
    if age <= _OLD:
        yield Finding("backup", True, state)
    else:
        yield Finding("backup", False, f"{state}, {age.days} days ago", "Run digest backup every day (docs/backup.md).")


def language_model(settings: Settings) -> Iterator[Finding]:
    """Ask the language model's server for its models; without one, emails show sentences of abstracts."""
    model = wiring.language_model(settings)
    if model is None:
        return
    where, advice = f"{model.name} at {model.host}", "Check DIGEST_LLM_URL and DIGEST_LLM_KEY; no email waits for it."
    if model.key and settings.llm_url.startswith("http://") and not is_loopback(model.host):
        yield Finding("language model", False, "the key is sent in clear text", "Use https:// in DIGEST_LLM_URL.")
    try:
        names = replace(model, seconds=min(model.seconds, _MODEL_SECONDS)).models()
    except ModelUnavailable as problem:
        yield Finding("language model", False, str(problem), advice)
        return
    # Ollama lists "llama3.2:latest" for what is asked for as "llama3.2".
    is_there = not names or {model.name, f"{model.name}:latest"} & set(names)
    listed = f"; it has {', '.join(sorted(names)[:_NAMED])}" if names else ", which lists no models"
    if is_there:
        yield Finding("language model", True, where if names else f"{where}{listed}")
    else:
        yield Finding("language model", False, f"{model.host} has no {model.name}{listed}", "Correct DIGEST_LLM_MODEL.")

"""Reads a Maildir. Each message is moved out of new/ once it is processed."""

import os
from collections.abc import Callable
from pathlib import Path

from digest.bounces.reading.opened import MAX_MESSAGE
from digest.database.engine import DATABASE_AWAY


def take_from_maildir(folder: Path, take: Callable[[bytes], object], most: int = 10_000) -> int:
    """Process the messages in new/, oldest first, and move each to cur/. Returns how many.

    A message for which `take` raises stays in new/ until next time; the error is raised after the others were tried, or
    at once if the database is unavailable. Raises OSError if the folder cannot be used.
    """
    done, problem = 0, None
    for file in sorted((folder / "new").iterdir(), key=lambda file: file.name)[:most]:
        if file.name.startswith(".") or not file.is_file():
            continue
        with file.open("rb") as stream:
            message = stream.read(MAX_MESSAGE)
        try:
            take(message)
        except DATABASE_AWAY:
            raise
        except Exception as raised:  # noqa: BLE001 - one message must not hold up the ones after it
            problem = raised
            continue
        os.replace(file, folder / "cur" / f"{file.name.partition(':')[0]}:2,S")  # noqa: PTH105 - may replace a file
        done += 1
    if problem:
        raise problem
    return done

"""Reads a Maildir. Each message is moved out of new/ once it is processed."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from digest.bounces.intake.putting_away import Take, WaitingMessage, process_each
from digest.bounces.reading.opened import MAX_MESSAGE


def take_from_maildir(folder: Path, take: Take, most: int = 10_000) -> int:
    """Process the messages in new/, oldest first, and move each to cur/, as process_each() says.

    Raises OSError if the folder cannot be used.
    """
    return process_each(_waiting(folder, most), take)


def _waiting(folder: Path, most: int) -> Iterator[WaitingMessage]:
    for file in sorted((folder / "new").iterdir(), key=lambda file: file.name)[:most]:
        if file.name.startswith(".") or not file.is_file():
            continue
        with file.open("rb") as stream:
            message = stream.read(MAX_MESSAGE)
        yield message, partial(os.replace, file, folder / "cur" / f"{file.name.partition(':')[0]}:2,S")

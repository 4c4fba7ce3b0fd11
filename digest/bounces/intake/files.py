"""Reads messages from files: a single message, an mbox, a Maildir, or a folder of messages."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from digest.bounces.reading.opened import MAX_BYTES

_FROM_LINE = re.compile(rb"From (?:\S+ +)?(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} +\d")


def messages_at(path: Path) -> Iterator[bytes]:
    """Yield the messages of a file or folder, each up to the size limit. Raises OSError."""
    if path.is_dir():
        for file in _files_of(path):
            yield from messages_at(file)
        return
    with path.open("rb") as stream:
        yield from messages_in(stream)


def messages_in(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the message in a stream, or the messages of an mbox."""
    first = stream.readline(MAX_BYTES)
    if not _FROM_LINE.match(first):
        yield (first + stream.read(MAX_BYTES))[:MAX_BYTES]
        return
    lines: list[bytes] = []
    size, after_empty = 0, False
    while line := stream.readline(MAX_BYTES):
        if after_empty and _FROM_LINE.match(line):
            yield b"".join(lines)
            lines, size = [], 0
        elif size < MAX_BYTES:
            lines.append(line)
            size += len(line)
        after_empty = not line.strip()
    yield b"".join(lines)


def _files_of(folder: Path) -> list[Path]:
    if (folder / "cur").is_dir() and (folder / "new").is_dir():
        return [*sorted((folder / "new").iterdir()), *sorted((folder / "cur").iterdir())]
    return sorted(file for file in folder.iterdir() if file.is_file() and not file.name.startswith("."))

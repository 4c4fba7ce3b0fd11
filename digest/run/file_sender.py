"""Writes messages to a file instead of sending them."""

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from math import inf
from pathlib import Path

from digest.lint import ParsedMessage
from digest.smtp import Envelope, Phase, Reply, Sender


class FileSender(Sender):
    """Accepts a message once its file is complete. `.eml` is the whole message, `.txt` its text, else its HTML."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def submit(
        self,
        window: Sequence[Envelope],
        now: Callable[[], datetime],
        begin_until: float = inf,  # noqa: ARG002 - the base's signature
    ) -> Future[list[Reply]]:
        """Write the messages, one after the other, to the same file."""
        replies: Future[list[Reply]] = Future()
        replies.set_result([self._reply(envelope, now()) for envelope in window])
        return replies

    def close(self, patience: float = 0) -> None:
        """Do nothing: there is nothing to close."""

    def _reply(self, envelope: Envelope, at: datetime) -> Reply:
        try:
            write_message(envelope.message, self._file)
        except OSError as error:
            # Without a code, and before the message began: it stays in the queue.
            return Reply(envelope.id, Phase.SESSION, None, f"cannot write {self._file} ({error.strerror})", at)
        return Reply(envelope.id, Phase.CONTENT, 250, f"2.0.0 written to {self._file}", at)


def write_message(message: bytes, file: Path) -> None:
    """Replace `file` atomically, so that nobody sees a part of it. Raises OSError."""
    if file.suffix != ".eml":
        parsed = ParsedMessage(message)
        message = (parsed.text if file.suffix == ".txt" else parsed.html).encode()
    handle, part = tempfile.mkstemp(dir=file.absolute().parent, prefix=f".{file.name}.")
    try:
        with os.fdopen(handle, "wb") as new:
            new.write(message)
        Path(part).replace(file)
    except OSError:
        Path(part).unlink(missing_ok=True)
        raise

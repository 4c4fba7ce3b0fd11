"""Writes settings files."""

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from digest.settings.environment import quoted, values_in


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """Add `values`, by variable, to the text of a settings file that does not set them yet.

    A value replaces the commented default of its variable, or is added at the end. Raises SettingsError for a value
    that the file cannot hold.
    """
    for name, value in values.items():
        line = f"{name}={_held(name, value)}"
        default = re.search(rf"^# {name}=.*$", text, flags=re.MULTILINE)
        text = f"{text[: default.start()]}{line}{text[default.end() :]}" if default else f"{text.rstrip()}\n{line}\n"
    return text


def _held(name: str, value: str) -> str:
    """Quote `value` for the file. Raises SettingsError for a value that no quotes can hold."""
    written = quoted(value)
    _ = values_in(f"{name}={written}", name)
    return written


def write_settings(path: Path, text: str, is_new: bool) -> None:
    """Write a new file that only its owner can read, or replace the text of an existing file. Raises OSError."""
    if is_new:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        return
    path = path.resolve()  # does not replace a link
    state = path.stat()
    handle, part = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "w", newline="") as file:
            file.write(text)
        Path(part).chmod(state.st_mode & 0o777)
        os.chown(part, state.st_uid, state.st_gid)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise

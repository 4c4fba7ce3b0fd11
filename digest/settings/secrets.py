"""Settings from files named by *_FILE, and the secret generated on first use."""

import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

PREFIX = "DIGEST_"


class SettingsError(Exception):
    """One line for each wrong setting: its name and what to do. Never contains a secret."""


def secret_files(names: Iterable[str]) -> dict[str, Any]:
    """The content of each file that a variable such as `DIGEST_SMTP_URL_FILE=/run/secrets/smtp` names."""
    variables = {name: f"{PREFIX}{name.upper()}_FILE" for name in names}
    return {name: _content(variable) for name, variable in variables.items() if os.environ.get(variable)}


def _content(variable: str) -> str:
    path = os.environ[variable]
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise SettingsError(f"{variable}: cannot read {path} ({error.strerror})") from error


def generated_secret(file: Path) -> str:
    """The secret in `file`, generated on first use, readable only by its owner. Raises SettingsError."""
    try:
        if not file.exists():
            _create(file)
        return file.read_text()
    except OSError as error:
        raise SettingsError(
            f"{PREFIX}DATA_DIR: cannot keep a secret in {file} ({error.strerror}); choose another folder"
        ) from error


def _create(file: Path) -> None:
    # Several processes may start at once: the first complete file wins, and none reads a partial one.
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=file.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as new:
            new.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            file.hardlink_to(part)
    finally:
        Path(part).unlink()

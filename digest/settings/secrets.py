"""The secret of an installation that sets none."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from digest.settings.environment import PREFIX, SettingsError

SHORTEST = 32  # characters


def stored_secret(file: Path) -> str:
    """The secret in `file`. Raises SettingsError: only a new installation generates one, or links would stop working."""
    try:
        secret = file.read_text(errors="replace")
    except FileNotFoundError:
        raise SettingsError(
            f"{PREFIX}SECRET_KEY is not set, and there is no {file}. Run: digest migrate, or name the settings file by "
            "--env-file"
        ) from None
    except OSError as error:
        raise _unusable(file, error) from error
    if len(secret.strip()) < SHORTEST:
        raise SettingsError(
            f"{file} is damaged: restore it from a backup; a new one, by removing it and digest migrate, ends all links in "
            "emails already sent"
        )
    return secret


def generate_secret(file: Path) -> None:
    """Put a secret in `file`, readable only by its owner, unless there is one. Raises SettingsError."""
    try:
        if not file.exists():
            _create(file)
    except OSError as error:
        raise _unusable(file, error) from error


def _unusable(file: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{PREFIX}DATA_DIR: cannot keep a secret in {file} ({error.strerror}); choose another folder")


def _create(file: Path) -> None:
    # Several processes may start at once: the first complete file wins, and none reads a partial one.
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=file.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w") as new:
            new.write(secrets.token_hex(32))
        with suppress(FileExistsError):
            file.hardlink_to(part)
    finally:
        Path(part).unlink()

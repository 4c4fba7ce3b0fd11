"""Settings from files named by *_FILE, and the secret generated on first use."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "DIGEST_"


class SettingsError(Exception):
    """One line for each wrong setting: its name and what to do. Never contains a secret."""


class SecretFiles(PydanticBaseSettingsSource):
    """`DIGEST_SMTP_URL_FILE=/run/secrets/smtp` stands for the content of that file."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base's signature
        variable = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path:
            return None, field_name, False
        try:
            return Path(path).read_text().strip(), field_name, False
        except OSError as error:
            raise SettingsError(f"{variable}: cannot read {path} ({error.strerror})") from error

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}


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

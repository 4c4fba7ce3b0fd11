"""Every setting of the service, read from the environment (prefix DIGEST_), *_FILE for secrets, and .env.

Only cli, web, workers, demo, run, monitoring and wiring read settings; rooms take plain values.
"""

import os
from email.utils import parseaddr
from functools import cache
from typing import Any, Self

from dotenv import dotenv_values
from pydantic import ValidationError, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from digest.clock import CLOCK_FILE
from digest.settings.installation import AddressSettings, ProcessSettings, StorageSettings
from digest.settings.mail import SenderSettings, SmtpSettings
from digest.settings.papers import CutSettings, SourceSettings
from digest.settings.secrets import PREFIX, SettingsError, secret_files
from digest.smtp import is_loopback

ENV_FILE = ".env"
# In the order of an installation.
GROUPS: tuple[type[BaseSettings], ...] = (
    AddressSettings,
    StorageSettings,
    SenderSettings,
    SmtpSettings,
    SourceSettings,
    CutSettings,
    ProcessSettings,
)


class Settings(
    AddressSettings, StorageSettings, SenderSettings, SmtpSettings, SourceSettings, CutSettings, ProcessSettings
):
    """Every setting, with defaults for a first run on one machine."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=ENV_FILE, extra="ignore", frozen=True, hide_input_in_errors=True
    )

    @model_validator(mode="after")
    def _real_sender(self) -> Self:
        """Reject the placeholder sender unless every relay is on this machine."""
        if any(not is_loopback(relay.host) for relay in self.relays) and parseaddr(self.mail_from)[1].endswith(
            "@localhost"
        ):
            raise ValueError("DIGEST_MAIL_FROM is still digest@localhost, and DIGEST_SMTP_URL is a real mail server")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's own, replaced by ours
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = InitSettingsSource(settings_cls, secret_files(settings_cls.model_fields))
        return init_settings, env_settings, files, dotenv_settings


@cache
def settings() -> Settings:
    """The settings of this process, read once. Raises SettingsError."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_problem_line(problem) for problem in error.errors())) from None


def unknown_variables() -> list[str]:
    """DIGEST_* variables in the environment and in .env that no setting has: probably misspelt."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {name + "_FILE" for name in known} | {CLOCK_FILE}
    given = {*os.environ, *dotenv_values(ENV_FILE)}
    return sorted(name for name in given if name.startswith(PREFIX) and name not in known)


def _problem_line(problem: Any) -> str:
    where = "_".join(str(part) for part in problem["loc"][:1]).upper()
    said = problem["msg"].removeprefix("Value error, ")
    return f"{PREFIX}{where}: {said}" if where else said

"""Every setting of the service, read from the environment (prefix DIGEST_) and from one file of settings.

Only cli, web, workers, demo, run, monitoring and wiring read settings; rooms take plain values.
"""

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from pydantic import SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from digest.clock import CLOCK_FILE
from digest.settings.bounces import BounceSettings
from digest.settings.console import ConsoleSettings
from digest.settings.environment import (
    FILE_VARIABLE,
    OPERATOR_VARIABLE,
    PREFIX,
    SettingsError,
    field_values,
    file_values,
)
from digest.settings.installation import AddressSettings, ProcessSettings, StorageSettings
from digest.settings.mail import SenderSettings, SmtpSettings
from digest.settings.monitoring import MonitoringSettings
from digest.settings.papers import CutSettings, ModelSettings, SourceSettings
from digest.settings.retention import RetentionSettings
from digest.smtp import Relay, is_loopback, parse_relay

if TYPE_CHECKING:  # the help text should not wait for it
    from digest.bounces.intake.everywhere import BounceSources
    from digest.mail.throttle.limits import Limits

# In the order of an installation.
GROUPS: tuple[type[BaseSettings], ...] = (
    AddressSettings,
    StorageSettings,
    SenderSettings,
    SmtpSettings,
    BounceSettings,
    SourceSettings,
    CutSettings,
    ModelSettings,
    ProcessSettings,
    MonitoringSettings,
    ConsoleSettings,
    RetentionSettings,
)


class Settings(
    AddressSettings,
    StorageSettings,
    SenderSettings,
    SmtpSettings,
    BounceSettings,
    SourceSettings,
    CutSettings,
    ModelSettings,
    ProcessSettings,
    MonitoringSettings,
    ConsoleSettings,
    RetentionSettings,
):
    """Every setting, with defaults for a first run on one machine."""

    model_config = SettingsConfigDict(
        extra="ignore", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True, allow_inf_nan=False
    )

    @model_validator(mode="after")
    def _real_sender(self) -> Self:
        """Reject the placeholder sender unless every relay is on this machine."""
        if any(not is_loopback(relay.host) for relay in self.relays) and parseaddr(self.mail_from)[1].endswith(
            "@localhost"
        ):
            raise ValueError(
                "DIGEST_MAIL_FROM: with a real mail server in DIGEST_SMTP_URL, write a sender of your own domain, such as "
                "'Daily Papers <papers@example.org>'"
            )
        return self

    @model_validator(mode="after")
    def _private_inbox(self) -> Self:
        """Reject the demo's inbox on pages that others can reach: it shows every message, with its links, to anyone."""
        hosts = (urlsplit(self.public_url).hostname or "", self.web_host)
        if self.inbox_dir is not None and not all(map(is_loopback, hosts)):
            raise ValueError(
                "DIGEST_INBOX_DIR: remove it; the demo’s inbox shows everyone’s email, so it needs DIGEST_PUBLIC_URL and "
                "DIGEST_WEB_HOST to be on this machine"
            )
        return self

    @property
    def relays(self) -> tuple[Relay, ...]:
        """The mail servers; empty when none is set."""
        return self._relays_of(self.smtp_url)

    @property
    def limits(self) -> "Limits":
        """The operator's sending limits."""
        from digest.mail.throttle.limits import Limits

        return Limits(
            self.smtp_rate,
            self.smtp_domain_rates,
            self.warm_up_from,
            self.warm_up_first_day,
            self.requested_per_hour,
        )

    @property
    def bounce_sources(self) -> "BounceSources":
        """The mailboxes with delivery reports."""
        from digest.bounces.intake.everywhere import BounceSources
        from digest.bounces.intake.imap import parse_mailbox

        url = self.bounce_imap_url.get_secret_value()
        return BounceSources(self.bounce_maildir, parse_mailbox(url) if url else None, self.bounce_imap_move_to)

    @property
    def alarm_relays(self) -> tuple[Relay, ...]:
        """The mail servers of alarms; empty when none is set."""
        return self._relays_of(self.alarm_smtp_url) or self.relays

    def _relays_of(self, urls: SecretStr) -> tuple[Relay, ...]:
        names = (self.smtp_ehlo_name, socket.gethostname(), urlsplit(self.public_url).hostname or "")
        ehlo_name = next((name for name in names if "." in name or ":" in name), "")
        relays = map(parse_relay, urls.get_secret_value().split())
        return tuple(replace(relay, ehlo_name=ehlo_name, ca_file=self.smtp_ca_file) for relay in relays)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours replace this one and the two below
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        names = settings_cls.model_fields
        environment = field_values({name.upper(): value for name, value in os.environ.items()}, names)
        given = field_values(file_values(), names) | environment
        return init_settings, InitSettingsSource(settings_cls, given)


def read_settings() -> Settings:
    """The settings as they are now. Raises SettingsError."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_problem_line(problem) for problem in error.errors())) from None


def settings_of(values: Mapping[str, str]) -> Settings:
    """Return the settings with these values, by variable, which take precedence over the environment. Raises SettingsError."""
    try:
        return Settings(**field_values(values, Settings.model_fields))
    except ValidationError as error:
        raise SettingsError("\n".join(_problem_line(problem) for problem in error.errors())) from None


def unknown_variables() -> list[str]:
    """DIGEST_* variables in the environment and in the file that no setting has: probably misspelt."""
    return unknown_names({*os.environ, *file_values()})


def unknown_names(given: Iterable[str]) -> list[str]:
    """Return the DIGEST_* variables in `given` that are not settings."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    known |= {name + "_FILE" for name in known} | {CLOCK_FILE, FILE_VARIABLE, OPERATOR_VARIABLE}
    return sorted(name for name in given if name.startswith(PREFIX) and name not in known)


# By pydantic's kind of error, with the values that it gives.
_REMEDIES = {
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "int_parsing_size": "write a whole number",
    "float_parsing": "write a number",
    "finite_number": "write a number",
    "bool_parsing": "write true or false",
    "greater_than": "use more than {gt}",
    "greater_than_equal": "use {ge} or more",
    "less_than_equal": "use {le} or less",
    "string_too_short": "it must not be empty",
    "string_too_long": "use at most {max_length} characters",
    "literal_error": "use {expected}",
    "value_error": "{error}",
}


def remedy(problem: Any) -> str:
    """The remedy for one of pydantic's errors."""
    text = _REMEDIES.get(problem["type"], "the value is not valid; see docs/configuration.md")
    return text.format_map(problem.get("ctx", {}))


def _problem_line(problem: Any) -> str:
    name, *item = map(str, problem["loc"] or [""])
    line = ": ".join([*item, remedy(problem)])
    return f"{PREFIX}{name.upper()}: {line}" if name else line

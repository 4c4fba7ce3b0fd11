"""The settings of monitoring: alarms, access to the metrics, and webhooks."""

import shlex
from ipaddress import ip_address, ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from digest.settings.installation import web_address_with_query
from digest.settings.mail import checked_relays
from digest.smtp import is_plain_address
from digest.text import listed_words

_SHORTEST = 16  # characters of a token


def split_dns_server(text: str) -> tuple[str, int] | None:
    """Parse an address and port; None for anything else."""
    try:
        return str(ip_address(text.strip("[]"))), 53
    except ValueError:
        pass
    try:
        parts = urlsplit(f"//{text}")
        return (
            (str(ip_address(parts.hostname or "")), parts.port or 53)
            if parts.netloc == text and "@" not in text
            else None
        )
    except ValueError:
        return None


class MonitoringSettings(BaseSettings):
    """Monitoring"""

    alarm_to: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Email addresses that are told when something is wrong, and when it is over. `digest check` lists what is checked.",
    )
    alarm_smtp_url: SecretStr = Field(
        SecretStr(""),
        description="Another mail server for alarms, since the usual one may be what is down; written like `DIGEST_SMTP_URL`. Empty: the usual one.",
    )
    alarm_webhook_url: SecretStr = Field(
        SecretStr(""),
        description="Address that gets alarms by POST, as JSON with a `text` that Slack, Mattermost and others show.",
    )
    alarm_command: str = Field(
        "", description="Program that is started for alarms, without a shell; it gets the same JSON on standard input."
    )
    ping_url: SecretStr = Field(
        SecretStr(""),
        description="Address that the scheduler calls each minute (GET) while nothing is critical. A monitor that expects the calls, such as Healthchecks, notices when this machine is dead.",
    )
    metrics_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.0/8", "::1"),
        description="Addresses and networks that may read the page `/metrics`; for everyone else it does not exist. An address of this machine counts only for requests that no proxy forwarded.",
    )
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Lets a Prometheus at any address read `/metrics` that sends it as a bearer token: at least 16 characters without blanks. Empty: the address alone decides.",
    )

    webhook_networks: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Addresses and networks inside your own network that webhooks may be sent to, also by plain `http://`, such as `127.0.0.1 10.0.0.0/8`. Empty: public addresses alone, by https.",
    )

    dns_server: str = Field(
        "",
        description="DNS server that `digest doctor` uses to look up your records, such as `9.9.9.9` or `[2620:fe::fe]:53`: a server outside your network sees them as receivers do. Empty: that of this machine.",
    )

    @field_validator("dns_server")
    @classmethod
    def _dns_server(cls, value: str) -> str:
        if value and split_dns_server(value) is None:
            raise ValueError("write an IP address such as 9.9.9.9, 9.9.9.9:53 or [2620:fe::fe]:53")
        return value

    @field_validator("alarm_to", mode="before")
    @classmethod
    def _alarm_to(cls, value: Any) -> Any:
        addresses = listed_words(value) if isinstance(value, str) else value
        if wrong := [address for address in addresses if not is_plain_address(address) or "@" not in address]:
            raise ValueError(f"{wrong[0]!r} is not an email address; write ops@example.org, separated by spaces")
        return tuple(addresses)

    @field_validator("alarm_smtp_url")
    @classmethod
    def _alarm_relay(cls, value: SecretStr) -> SecretStr:
        return checked_relays(value)

    @field_validator("alarm_webhook_url", "ping_url")
    @classmethod
    def _alarm_urls(cls, value: SecretStr) -> SecretStr:
        address = value.get_secret_value()
        return SecretStr(web_address_with_query(address)) if address else value

    @field_validator("alarm_command")
    @classmethod
    def _alarm_command(cls, value: str) -> str:
        try:
            shlex.split(value)
        except ValueError as problem:
            raise ValueError(f"it cannot be read as a command: {problem}") from None
        return value

    @field_validator("metrics_allow", "webhook_networks", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("metrics_allow", "webhook_networks")
    @classmethod
    def _valid_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ip_network(network)) for network in value)
        except ValueError:
            raise ValueError("use addresses and networks such as 127.0.0.1 10.0.0.0/8") from None

    @field_validator("metrics_token")
    @classmethod
    def _metrics_long_token(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if token and (len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token):
            raise ValueError(f"use at least {_SHORTEST} letters, digits and signs without blanks")
        return value

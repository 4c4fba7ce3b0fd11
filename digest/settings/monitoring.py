"""The settings of monitoring."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

_SHORTEST = 16  # characters of a token


class MonitoringSettings(BaseSettings):
    """Monitoring"""

    metrics_allow: Annotated[tuple[str, ...], NoDecode] = Field(
        ("127.0.0.0/8", "::1"),
        description="Addresses and networks that may read the page `/metrics`; for everyone else it does not exist. An address of this machine counts only for requests that no proxy forwarded.",
    )
    metrics_token: SecretStr = Field(
        SecretStr(""),
        description="Lets a Prometheus at any address read `/metrics` that sends it as a bearer token: at least 16 characters without blanks. Empty: the address alone decides.",
    )

    @field_validator("metrics_allow", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("metrics_allow")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(ip_network(network)) for network in value)
        except ValueError:
            raise ValueError("use addresses and networks such as 127.0.0.1 10.0.0.0/8") from None

    @field_validator("metrics_token")
    @classmethod
    def _token(cls, value: SecretStr) -> SecretStr:
        token = value.get_secret_value()
        if token and (len(token) < _SHORTEST or not token.isascii() or not token.isprintable() or " " in token):
            raise ValueError(f"use at least {_SHORTEST} letters, digits and signs without blanks")
        return value

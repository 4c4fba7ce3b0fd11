"""The settings of the console."""

import re
from ipaddress import ip_network
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings


class ConsoleSettings(BaseSettings):
    """Console"""

    console_user_header: str = Field(
        "",
        description="Header in which a proxy names the person who signed in to it, such as `X-Remote-User`, for single sign-on. The proxy must remove the header from what clients send. Empty: people sign in with a link from `digest console link`.",
    )
    console_proxies: str = Field(
        "",
        description="Addresses and networks of the proxies whose DIGEST_CONSOLE_USER_HEADER is believed. Anyone who can connect from there can act as any operator.",
    )
    console_header_role: Literal["", "viewer", "operator"] = Field(
        "",
        description="Role of people named in DIGEST_CONSOLE_USER_HEADER who are not in `digest console operators`: `viewer` or `operator`. Empty: they are not let in.",
    )

    @field_validator("console_user_header")
    @classmethod
    def _header_name(cls, value: str) -> str:
        if value and not re.fullmatch(r"[A-Za-z0-9-]{1,60}", value):
            raise ValueError("write the name of a header such as X-Remote-User")
        return value.lower()

    @field_validator("console_proxies")
    @classmethod
    def _networks(cls, value: str) -> str:
        proxies = value.replace(",", " ").split()
        try:
            return ",".join(str(ip_network(proxy)) for proxy in proxies)
        except ValueError:
            raise ValueError("use addresses and networks such as 127.0.0.1 10.0.0.0/8") from None

    @model_validator(mode="after")
    def _trusted_header(self) -> Self:
        """Reject a header without proxies that may send it."""
        if self.console_user_header and not self.console_proxies:
            raise ValueError(
                "DIGEST_CONSOLE_PROXIES: with DIGEST_CONSOLE_USER_HEADER, name the addresses of your proxy"
            )
        return self

"""The settings of sending: the mail server, how fast, and what to do in doubt. Settings (settings/settings.py) has them all."""

from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from digest.smtp.relay import Relay, parse_relay


class DeliverySettings(BaseSettings):
    """What an operator decides about sending."""

    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="The mail server: `smtp+starttls://user:password@host:587` or `smtps://user:password@host:465`; `smtp://` for this machine only. Several, separated by spaces, share the mail by `?weight=`. Empty: no mail goes out; `digest up` shows it in a local inbox instead.",
    )
    smtp_connections: int = Field(
        4,
        ge=1,
        le=50,
        description="Connections that one worker process opens to the mail server. When a worker is killed, so many readers at the most get a mail twice.",
    )
    smtp_messages_per_connection: int = Field(
        100, ge=1, le=100000, description="A connection is closed and opened anew after this many messages."
    )
    smtp_rate: float = Field(
        0.0,
        ge=0,
        le=100000,
        description="Mails a second, of all workers together. 0: as fast as the server takes them.",
    )
    smtp_domain_rates: Annotated[dict[str, float], NoDecode] = Field(
        {},
        description="Mails a second to one destination, of all workers together: `gmail.com=20,outlook.com=5,*=50`; `*` is any other domain. Empty: no limit.",
    )
    warm_up_from: date | None = Field(
        None,
        description="The first day on which a new sending domain sends, `YYYY-MM-DD`. From then on a day's mails are limited, to a third more each day, until the limit is above what there is to send; what is left waits for the next day. Empty: no limit.",
    )
    warm_up_first_day: int = Field(
        500, ge=10, le=1000000, description="How many mails the first day of a warm-up takes."
    )
    max_attempts: int = Field(
        12, ge=1, le=100, description="A mail that the server deferred this many times is given up."
    )
    in_doubt: str = Field(
        "resend",
        pattern="^(resend|hold)$",
        description="A mail that may have arrived, since the connection or the worker died before the answer: `resend` sends the same bytes once more, as mail servers do; `hold` keeps it back for `digest retry --uncertain`.",
    )
    dkim_keys: Annotated[dict[str, Path], NoDecode] = Field(
        {},
        description="DKIM keys, `selector=file` separated by spaces; each file a private key in PEM, RSA (2048 bits) or Ed25519. The first of each kind signs; the others are for repeating mails that they signed. Empty: mails are not signed here, the mail server signs.",
    )
    goodbye: bool = Field(
        True,
        description="Who unsubscribes on a page of ours gets one last mail that says so, with the way back. Never after a one-click by a mail program, nor to a suppressed address.",
    )
    worker_processes: int = Field(2, ge=1, le=64, description="Processes of `digest worker`.")

    @field_validator("smtp_url")
    @classmethod
    def _known_relays(cls, value: SecretStr) -> SecretStr:
        for url in value.get_secret_value().split():
            parse_relay(url)
        return value

    @field_validator("smtp_domain_rates", mode="before")
    @classmethod
    def _rates(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.strip().lower().partition("=") for part in value.split(",") if part.strip()]
        if any(not domain or not _is_rate(rate) for domain, _, rate in pairs):
            raise ValueError("write gmail.com=20,outlook.com=5,*=50 (mails a second, more than 0)")
        return {domain: float(rate) for domain, _, rate in pairs}

    @field_validator("dkim_keys", mode="before")
    @classmethod
    def _key_files(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in value.split()]
        if any(not selector or not file for selector, _, file in pairs):
            raise ValueError("write selector=file, separated by spaces")
        return {selector: Path(file) for selector, _, file in pairs}

    @field_validator("warm_up_from", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return value or None

    @property
    def relays(self) -> tuple[Relay, ...]:
        """The mail servers; empty when none is set."""
        return tuple(parse_relay(url) for url in self.smtp_url.get_secret_value().split())


def _is_rate(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False

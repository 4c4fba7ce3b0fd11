"""The settings of sending: senders, mail server, rates, and the policy for uncertain messages."""

import re
from datetime import date
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, field_validator
from pydantic_settings import BaseSettings, NoDecode

from digest.mail.return_paths import LONGEST_LOCAL
from digest.settings.installation import EMPTY_IS_NONE, AtHome, is_host
from digest.smtp import is_plain_address, parse_relay
from digest.text import listed_words, parse_date, parse_domain

_Domain = Annotated[str, StringConstraints(to_lower=True)]
_Rate = Annotated[float, Field(gt=0)]


def _pairs(example: str) -> BeforeValidator:
    """Reads `name=value name=value` as a dictionary."""

    def parse(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [part.partition("=") for part in listed_words(value)]
        if not all(name and text for name, _, text in pairs) or len({name.lower() for name, *_ in pairs}) < len(pairs):
            raise ValueError(f"write {example}, each name once")
        return {name: text for name, _, text in pairs}

    return BeforeValidator(parse)


def _day(value: Any) -> Any:
    if not isinstance(value, str) or not value:
        return value
    day = parse_date(value.strip())
    if day is None:
        raise ValueError("write a day as YYYY-MM-DD, such as 2026-11-23")
    return day


class SenderSettings(BaseSettings):
    """Senders"""

    mail_from: str = Field("Daily Papers <digest@localhost>", description="Sender of the issues, `Name <address>`.")
    transactional_from: str = Field(
        "",
        description="Sender of confirmations and other emails that someone just asked for, to keep their reputation apart from bulk mail. Empty: the same as `DIGEST_MAIL_FROM`.",
    )
    reply_to: str = Field("", description="Address for replies. Empty: the sender.")
    bounce_address: str = Field(
        "",
        description="Envelope sender, which receives delivery failure reports. Each message gets its own, `bounces+TOKEN@example.org` for `bounces@example.org`, so its mail server has to accept any text after the plus. Empty: the address in `DIGEST_MAIL_FROM`, without a token.",
    )
    unsubscribe_address: str = Field(
        "",
        description="Address for unsubscribing by email, in `List-Unsubscribe` after the URL; it gets a token in the same way. Set it only if email to it is processed like email to `DIGEST_BOUNCE_ADDRESS`. Empty: only the URL.",
    )
    dkim_keys: Annotated[dict[str, AtHome], NoDecode, _pairs("selector=file, separated by spaces")] = Field(
        {},
        description="DKIM keys as `selector=file`; each file holds a private key in PEM, RSA (2048 bits) or Ed25519. The first key of each kind signs; the others repeat messages that they signed before. Empty: the mail server has to sign.",
    )
    own_domains: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Domains of your own network whose addresses may subscribe although they only work there, such as `corp.local home.arpa`; each includes its subdomains. All other domains stay allowed.",
    )
    goodbye: bool = Field(
        True,
        description="Send one last email to someone who unsubscribes on a page; it confirms that and has a link to subscribe again. Never sent after a one-click unsubscribe in an email client, nor to a suppressed address.",
    )

    @field_validator("dkim_keys")
    @classmethod
    def _selectors(cls, value: dict[str, Path]) -> dict[str, Path]:
        if wrong := [name for name in value if not parse_domain(name.replace("_", "-"))]:
            raise ValueError(f"{wrong[0]!r} is not a selector; write selector=file, such as nov2026=keys/nov2026.pem")
        return value

    @field_validator("own_domains", mode="before")
    @classmethod
    def _own_domains(cls, value: Any) -> Any:
        texts = listed_words(value) if isinstance(value, str) else value
        domains = {text: parse_domain(text.lstrip("*@.").rstrip(".")) for text in texts}
        if wrong := [text for text, domain in domains.items() if domain is None]:
            raise ValueError(f"{wrong[0]!r} is not a domain; write domains such as corp.local, separated by spaces")
        return tuple(domains.values())

    @field_validator("bounce_address", "unsubscribe_address")
    @classmethod
    def _has_room(cls, value: str) -> str:
        if len(parseaddr(value)[1].rpartition("@")[0]) > LONGEST_LOCAL:
            raise ValueError(f"the part before the @ may have {LONGEST_LOCAL} characters: a plus and a token follow it")
        return value

    @field_validator("mail_from", "transactional_from", "reply_to", "bounce_address", "unsubscribe_address")
    @classmethod
    def _mail_address(cls, value: str) -> str:
        address = parseaddr(value)[1]
        is_whole = value == address or value.endswith(f"<{address}>")
        is_usable = is_plain_address(address) and parse_domain(address.partition("@")[2])
        if value and not (is_whole and is_usable and value.isprintable()):
            raise ValueError(
                'use an address such as Daily Papers <papers@example.org>, a name with a comma in "quotes"'
            )
        return value

    @field_validator("mail_from")
    @classmethod
    def _mail_from(cls, value: str) -> str:
        if not value:
            raise ValueError("use an address such as Daily Papers <papers@example.org>")
        return value


class SmtpSettings(BaseSettings):
    """Mail server"""

    smtp_url: SecretStr = Field(
        SecretStr(""),
        description="The mail server: `smtp+starttls://user:password@host:587` or `smtps://user:password@host:465`; `smtp://` on this machine only. Several share the load by `?weight=`. Empty: no email goes out; `digest up` shows it in a local inbox instead.",
    )
    smtp_ehlo_name: str = Field(
        "",
        description="Full name by which this machine greets the mail server (EHLO), such as `mail.example.org`; many servers reject a name without a dot. Empty: the name of this machine if it has a dot, otherwise the host of `DIGEST_PUBLIC_URL`.",
    )
    smtp_ca_file: Annotated[AtHome | None, EMPTY_IS_NONE] = Field(
        None,
        description="File (PEM) with the certificate of your own authority, if it signed the mail server's certificate. It is trusted in addition to those of this machine, and only for the mail server.",
    )
    sending_addresses: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="IP addresses from which receivers get your email, such as `192.0.2.25 2001:db8::25`, for the SPF and PTR checks of `digest doctor`. Empty: those of the mail server, unless it belongs to a known provider.",
    )
    smtp_connections: int = Field(
        4,
        ge=1,
        le=50,
        description="Connections that each worker process opens to the mail server. When a worker is killed, up to this many subscribers get a message twice.",
    )
    smtp_messages_per_connection: int = Field(
        100, ge=1, le=100000, description="Messages after which a connection is closed and opened anew."
    )
    smtp_rate: float = Field(
        0.0, ge=0, le=100000, description="Messages a second, all workers together. 0: as fast as the server accepts."
    )
    smtp_domain_rates: Annotated[
        dict[_Domain, _Rate], NoDecode, _pairs("gmail.com=20 outlook.com=5 *=50 (messages a second, more than 0)")
    ] = Field(
        {},
        description="Messages a second to one destination, all workers together: `gmail.com=20 outlook.com=5 *=50`, where `*` is any other domain. Empty: no limit.",
    )
    warm_up_from: Annotated[date | None, BeforeValidator(_day), EMPTY_IS_NONE] = Field(
        None,
        description="First day on which a new sending domain sends, `YYYY-MM-DD`. From then on the messages a day are limited, with a third more each day, until the limit exceeds what there is to send; the rest waits for the next day. Empty: no limit.",
    )
    warm_up_first_day: int = Field(500, ge=10, le=1000000, description="Messages on the first day of a warm-up.")
    requested_per_hour: Annotated[int | None, EMPTY_IS_NONE] = Field(
        None,
        ge=1,
        le=1000000,
        description="Messages an hour that people may ask for: confirmations, links and goodbyes. They count apart from a warm-up; what exceeds the limit waits for up to a day. The forms take as many requests an hour. Of these, one client (an IPv4 address or an IPv6 /64) may make 2 %, at least 5; one network (/24 or /48) 6 %, at least 10; and 25 %, at least 25, may be for one recipient domain, unless it is a large provider. Raise it for a launch, or where many people share an address. Imports only count among the messages. Empty: in a warm-up a tenth of the day's limit, at least 10; otherwise 500.",
    )
    max_attempts: int = Field(
        12, ge=1, le=100, description="A delivery that the server deferred this many times is given up."
    )
    in_doubt: Literal["resend", "hold"] = Field(
        "resend",
        description="Policy for a message that may have arrived, because the connection or the worker died before the reply: `resend` sends the same bytes once more, as mail servers do; `hold` keeps it for `digest retry --uncertain`.",
    )

    @field_validator("smtp_url")
    @classmethod
    def _relays(cls, value: SecretStr) -> SecretStr:
        return checked_relays(value)

    @field_validator("sending_addresses", mode="before")
    @classmethod
    def _sending_addresses(cls, value: Any) -> Any:
        texts = listed_words(value) if isinstance(value, str) else value
        try:
            return tuple(str(ip_address(text)) for text in texts)
        except ValueError:
            raise ValueError("write IP addresses such as 192.0.2.25 2001:db8::25, separated by spaces") from None

    @field_validator("smtp_domain_rates")
    @classmethod
    def _domains(cls, value: dict[str, float]) -> dict[str, float]:
        if wrong := [name for name in value if name != "*" and not parse_domain(name)]:
            raise ValueError(f"{wrong[0]!r} is not a domain; write gmail.com=20, or *=50 for all others")
        return value

    @field_validator("smtp_ehlo_name")
    @classmethod
    def _ehlo_name(cls, value: str) -> str:
        if value and not re.fullmatch(r"(?:[A-Za-z0-9-]+\.)+(?!\d+$)[A-Za-z0-9-]+|\[[A-Fa-f0-9:.IPv]+\]", value):
            raise ValueError(
                "use a full name with a dot, such as mail.example.org, or an address in brackets: [192.0.2.1]"
            )
        return value


def checked_relays(value: SecretStr) -> SecretStr:
    """The addresses of mail servers. Raises ValueError for a wrong one."""
    urls = value.get_secret_value().split()
    # The rest of a password, or a list as others write it.
    if any("://" not in url for url in urls[1:]) or any(url.endswith((",", ";")) for url in urls):
        raise ValueError("separate servers by blanks; in user and password write a blank as %20")
    for url in urls:
        if not is_host(parse_relay(url).host):
            raise ValueError("the host is not a name or an IP address: write smtps://user:password@host:465")
    return value

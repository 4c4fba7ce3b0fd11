"""The settings of the ways in for what bounces."""

import base64
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode

from digest.settings.installation import EMPTY_IS_NONE, AtHome
from digest.text import listed_words

_EMPTY = SecretStr("")


class BounceSettings(BaseSettings):
    """Bounces"""

    bounce_maildir: Annotated[AtHome | None, EMPTY_IS_NONE] = Field(
        None,
        description="Maildir into which your mail server delivers what comes to DIGEST_BOUNCE_ADDRESS. The scheduler reads it each minute and moves each message from `new` to `cur`. Empty: none.",
    )
    bounce_imap_url: SecretStr = Field(
        _EMPTY,
        description="Mailbox with the same, read by IMAP each minute: `imaps://user:password@host/INBOX`. Encode characters such as `@` in the password as `%40`. Empty: none.",
    )
    bounce_imap_move_to: str = Field(
        "", description="Folder of that mailbox into which messages are moved. Empty: they stay, marked as seen."
    )
    ses_topics: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="ARNs of the Amazon SNS topics that may post to `/bounces/ses`, separated by spaces. Their subscription is confirmed by itself.",
    )
    postmark_password: SecretStr = Field(
        _EMPTY,
        description="Password that Postmark sends to `/bounces/postmark`, since it signs nothing: give it the address `https://any:PASSWORD@your.host/bounces/postmark`.",
    )
    sendgrid_key: str = Field(
        "",
        description="Verification key of SendGrid's signed event webhook, which may then post to `/bounces/sendgrid`.",
    )
    mailgun_key: SecretStr = Field(
        _EMPTY, description="Webhook signing key of Mailgun, which may then post to `/bounces/mailgun`."
    )
    bounce_webhook_secret: SecretStr = Field(
        _EMPTY,
        description="Secret of your own programs that post to `/bounces/generic`, signed as in standardwebhooks.com: `whsec_` and 24 bytes or more in base64.",
    )

    @field_validator("ses_topics", mode="before")
    @classmethod
    def _topics(cls, value: Any) -> Any:
        topics = listed_words(value) if isinstance(value, str) else value
        if wrong := [topic for topic in topics if not topic.startswith("arn:aws")]:
            raise ValueError(f"{wrong[0]!r} is not an ARN; write arn:aws:sns:REGION:ACCOUNT:NAME")
        return tuple(topics)

    @field_validator("bounce_imap_url")
    @classmethod
    def _mailbox(cls, value: SecretStr) -> SecretStr:
        from digest.bounces.intake.imap import parse_mailbox

        if value.get_secret_value():
            parse_mailbox(value.get_secret_value())
        return value

    @field_validator("bounce_webhook_secret")
    @classmethod
    def _secret(cls, value: SecretStr) -> SecretStr:
        text = value.get_secret_value()
        try:
            is_long = len(base64.b64decode(text.removeprefix("whsec_"), validate=True)) >= 24
        except ValueError:
            is_long = False
        if text and not is_long:
            raise ValueError(
                "write whsec_ and at least 24 random bytes in base64, such as from: openssl rand -base64 32"
            )
        return value

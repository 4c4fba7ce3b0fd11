"""Settings for the intake of delivery reports."""

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
        description="Maildir into which your mail server delivers messages to DIGEST_BOUNCE_ADDRESS. The scheduler reads it every minute and moves each message from `new` to `cur`. Empty: none.",
    )
    bounce_imap_url: SecretStr = Field(
        _EMPTY,
        description="IMAP mailbox that receives messages to DIGEST_BOUNCE_ADDRESS, read every minute: `imaps://user:password@host/INBOX`. Write `%40` for `@` in the password. Empty: none.",
    )
    bounce_imap_move_to: str = Field(
        "", description="Folder of that mailbox to move processed messages to. Empty: they stay, marked as seen."
    )
    ses_topics: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="ARNs of the Amazon SNS topics that may post to `/bounces/ses`, separated by spaces. Subscriptions are confirmed automatically.",
    )
    postmark_password: SecretStr = Field(
        _EMPTY,
        description="Password that Postmark sends to `/bounces/postmark`, since it does not sign webhooks: give it the URL `https://any:PASSWORD@your.host/bounces/postmark`.",
    )
    sendgrid_key: str = Field(
        "",
        description="Verification key of SendGrid's signed event webhook, for `/bounces/sendgrid`.",
    )
    mailgun_key: SecretStr = Field(_EMPTY, description="Webhook signing key of Mailgun, for `/bounces/mailgun`.")
    bounce_webhook_secret: SecretStr = Field(
        _EMPTY,
        description="Secret for your own programs that post to `/bounces/generic`, signed as in standardwebhooks.com: `whsec_` and at least 24 bytes in base64.",
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
                "write whsec_ and at least 24 random bytes in base64, for example from: openssl rand -base64 32"
            )
        return value

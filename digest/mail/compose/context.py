"""The context for composing messages, and the part of it that is frozen with an issue."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from digest.issues.issue import Issue, IssueSettings
from digest.language import SOURCE
from digest.mail.compose.dkim import Signer, first_of_each_kind, named
from digest.mail.compose.render import Renderer, frozen_branding
from digest.mail.message import Branding, Senders, UnfitMessage
from digest.subscribers.tokens import key_id, key_named


@dataclass(frozen=True, slots=True)
class MailContext:
    """Everything needed to compose a message, except its draft."""

    renderer: Renderer
    branding: Branding
    senders: Senders
    link_keys: Sequence[bytes]  # newest first
    signers: Sequence[Signer] = ()  # all DKIM keys
    language: str = SOURCE  # for subscribers who chose none


def issue_settings(
    branding: Branding,
    senders: Senders,
    link_keys: Sequence[bytes],
    signers: Sequence[Signer],
    language: str = SOURCE,
) -> IssueSettings:
    """Return the settings to freeze with an issue at its cut."""
    return IssueSettings(
        title=branding.title,
        public_url=branding.public_url,
        postal_address=branding.postal_address,
        contact=branding.contact,
        sender=senders.bulk,
        reply_to=senders.reply_to,
        unsubscribe_address=senders.unsubscribe_address,
        link_key=key_id(link_keys[0]),
        link_ends="alphanumeric",
        dkim=tuple(signer.selector for signer in first_of_each_kind(signers)),
        language=language,
    )


def frozen_context(issue: Issue, current: MailContext) -> MailContext:
    """Return `current` with the settings frozen with `issue`, so that a retry has the same bytes.

    Raises UnfitMessage when a key that the issue names is no longer set.
    """
    settings = issue.settings
    # Issues of earlier versions have no link key.
    link_key = key_named(current.link_keys, settings.link_key) if settings.link_key else current.link_keys[0]
    if link_key is None:
        raise UnfitMessage("the secret key that signs the links of this issue is no longer set")
    return replace(
        current,
        branding=frozen_branding(issue),
        senders=replace(
            current.senders,
            bulk=settings.sender,
            reply_to=settings.reply_to,
            unsubscribe_address=settings.unsubscribe_address,
        ),
        link_keys=(link_key,),
        signers=named(current.signers, settings.dkim),
        language=settings.language,
    )

"""One chosen mail → its exact bytes and envelope. Deterministic: the same part gives the same bytes."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr

from digest.mail.choose import Part
from digest.mail.compose import compose, message_id
from digest.mail.message import Envelope, Headers, Kind, Letter
from digest.mail.render import Look, ReaderLinks, Renderer
from digest.subscribers.tokens import Purpose, sign


@dataclass(frozen=True, slots=True)
class Senders:
    """Who our mails come from: `bulk` for issues, `transactional` for what somebody asked for just now."""

    bulk: str
    transactional: str
    reply_to: str
    reverse_path: str  # envelope sender, where failures are reported


@dataclass(frozen=True, slots=True)
class Desk:
    """What writing a mail needs beside its part. An issue's own settings, frozen at its cut, win over these."""

    renderer: Renderer
    look: Look
    senders: Senders
    keys: Sequence[bytes]  # of the links, newest first


@dataclass(frozen=True, slots=True)
class Written:
    """A mail ready for the wire."""

    envelope: Envelope
    message_id: str
    sha256: str


def issue_settings(look: Look, senders: Senders) -> dict[str, str]:
    """The settings that show in an issue's mails, to be frozen with it."""
    return {
        "title": look.title,
        "public_url": look.public_url,
        "postal_address": look.postal_address,
        "contact": look.contact,
        "sender": senders.bulk,
        "reply_to": senders.reply_to,
    }


def write(part: Part, desk: Desk) -> Written:
    """Render and compose one mail. Raises jinja2.TemplateError or compose.UnfitMessage for one that cannot be made."""
    look = _look(part, desk)
    links = _links(part, look, desk.keys)
    headers = _headers(part, look, links, desk.senders)
    message = compose(_letter(part, look, links, desk.renderer), headers)
    envelope = Envelope(part.delivery.id, desk.senders.reverse_path, part.reader.email, message)
    return Written(envelope, headers.message_id, hashlib.sha256(message).hexdigest())


def _look(part: Part, desk: Desk) -> Look:
    if part.issue is None:
        return desk.look
    frozen = part.issue.settings
    return Look(frozen["title"], frozen["public_url"], frozen["postal_address"], frozen["contact"])


def _links(part: Part, look: Look, keys: Sequence[bytes]) -> ReaderLinks:
    def link(path: str, purpose: Purpose) -> str:
        return f"{look.public_url}/{path}/{sign(purpose, part.reader.id, part.delivery.created_at, keys)}"

    return ReaderLinks(
        address=part.reader.email,
        manage_url=link("preferences", Purpose.MANAGE),
        unsubscribe_url=link("u", Purpose.UNSUBSCRIBE),
        confirm_url=link("confirm", Purpose.CONFIRM) if part.delivery.kind is Kind.CONFIRMATION else "",
    )


def _letter(part: Part, look: Look, links: ReaderLinks, renderer: Renderer) -> Letter:
    match part.delivery.kind:
        case Kind.DIGEST if part.issue is not None and part.selection is not None:
            return renderer.digest_letter(part.issue, part.selection, links, look)
        case Kind.CONFIRMATION:
            return renderer.confirmation_letter(links, look)
        case Kind.ALREADY:
            return renderer.already_letter(links, look)
        case Kind.LINK:
            return renderer.link_letter(links, look)
        case kind:
            raise ValueError(f"a {kind} without an issue")


def _headers(part: Part, look: Look, links: ReaderLinks, senders: Senders) -> Headers:
    delivery = part.delivery
    frozen = part.issue.settings if part.issue else {"sender": senders.transactional, "reply_to": senders.reply_to}
    domain = parseaddr(frozen["sender"])[1].rpartition("@")[2]
    return Headers(
        sender=frozen["sender"],
        to=part.reader.email,
        date=delivery.due_at,
        message_id=message_id(delivery.id, delivery.recipient, delivery.occasion, delivery.kind, domain),
        kind=delivery.kind,
        occasion=delivery.occasion,
        list_domain=domain,
        unsubscribe_url=links.unsubscribe_url,
        archive_url=f"{look.public_url}/issues",
        reply_to=frozen["reply_to"],
    )

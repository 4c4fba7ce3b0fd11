"""One chosen mail → its exact bytes and envelope. Deterministic: the same part gives the same bytes.

The mails of an issue come from a Press, which joins them from the issue's fragments; the others are rendered each.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parseaddr
from functools import lru_cache

from digest.issues.issue import Issue, IssueSettings
from digest.issues.selection import Selection
from digest.language import SOURCE
from digest.ledger.kinds import OF_ISSUE, Kind
from digest.mail.compose.dkim import Signer, first_of_each_kind, named
from digest.mail.compose.fragments import Fragments, fragments_of
from digest.mail.compose.headers import (
    UnfitMessage,
    address_value,
    boundary_for,
    check_fields,
    compose,
    date_value,
    domain_of,
    header_fields,
    message_id,
    mime_fields,
    signed,
)
from digest.mail.compose.issue_template import IssueTemplate, SubscriberValues, encoded_address, url_start
from digest.mail.compose.render import Branding, Renderer, SubscriberLinks
from digest.mail.delivery.choose import Draft
from digest.mail.message import Headers, MessageParts
from digest.smtp.envelope import Envelope
from digest.subscribers.tokens import Purpose, key_id, key_named, sign

_TOKEN_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Senders:
    """Who our mails come from: `bulk` for issues, `transactional` for what somebody asked for just now."""

    bulk: str
    transactional: str
    reply_to: str
    reverse_path: str  # envelope sender, where failures are reported


@dataclass(frozen=True, slots=True)
class MailContext:
    """What writing a mail needs beside its part. An issue's own settings, frozen at its cut, win over these.

    An issue also names the link key and the DKIM keys that were first at its cut; the others wait to be named.
    """

    renderer: Renderer
    look: Branding
    senders: Senders
    keys: Sequence[bytes]  # of the links, newest first
    signers: Sequence[Signer] = ()  # all DKIM keys
    language: str = SOURCE  # of readers who chose none


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """A mail ready for the wire."""

    envelope: Envelope
    message_id: str
    sha256: str


def issue_settings(
    look: Branding, senders: Senders, keys: Sequence[bytes], signers: Sequence[Signer], language: str = SOURCE
) -> IssueSettings:
    """The settings that an issue's messages depend on, to be frozen with it."""
    return IssueSettings(
        title=look.title,
        public_url=look.public_url,
        postal_address=look.postal_address,
        contact=look.contact,
        sender=senders.bulk,
        reply_to=senders.reply_to,
        link_key=key_id(keys[0]),
        dkim=tuple(signer.selector for signer in first_of_each_kind(signers)),
        language=language,
    )


def language_of(issue: Issue, selection: Selection | None) -> str:
    """The language of one mail of `issue`: what was chosen with its papers, else what the operator had at the cut."""
    return issue.language_for(selection.language if selection else "")


def make_fragments(issue: Issue, desk: MailContext, language: str = SOURCE) -> Fragments:
    """What the mails of `issue` in one language are joined from. Raises jinja2.TemplateError."""
    return fragments_of(issue, _look(issue), desk.renderer.speaking(language))


def write(part: Draft, desk: MailContext) -> OutgoingMessage:
    """Make one mail. Raises jinja2.TemplateError or compose.UnfitMessage for one that cannot be made.

    Many mails of one issue are made by a Press of stored fragments; here an issue is rendered for the one mail.
    """
    if part.issue is not None:
        fragments = make_fragments(part.issue, desk, language_of(part.issue, part.selection))
        return IssueComposer(part.issue, fragments, desk).write(part)
    links = _links(part, desk)
    headers = _headers(part, links, desk)
    message = compose(_letter(part, links, desk), headers, first_of_each_kind(desk.signers))
    return _written(part, desk.senders.reverse_path, headers.message_id, message)


class IssueComposer:
    """Writes the mails of one issue in one language, thousands a second."""

    def __init__(self, issue: Issue, fragments: Fragments, desk: MailContext) -> None:
        """Raises UnfitMessage when a key that the issue names is gone, or its settings fit no header."""
        settings = issue.settings
        self._issue_id = issue.id
        self._reverse_path = desk.senders.reverse_path
        self._keys = [_link_key(desk.keys, settings.link_key)]
        self._signers = _signers(desk.signers, settings.dkim)
        public_url = settings.public_url
        self._unsubscribe_url = f"{public_url}/u/"
        self._feedback = url_start(f"{public_url}/feedback/", _TOKEN_LENGTH)
        self._manage = url_start(f"{public_url}/preferences/", _TOKEN_LENGTH)
        self._unsubscribe = url_start(self._unsubscribe_url, _TOKEN_LENGTH)
        boundary = boundary_for(f"issue {issue.id} of {issue.date}")
        self._joiner = IssueTemplate(fragments, boundary)
        self._date = lru_cache(maxsize=1_000)(date_value)
        self._fields = [
            *header_fields("A subject", _sample_headers(issue, self._unsubscribe_url)),
            *mime_fields(boundary),
        ]
        check_fields(self._fields)
        self._domain = domain_of(self._fields[0][1])
        names = [name for name, _ in self._fields]
        self._places = [names.index(name) for name in ("To", "Subject", "Date", "Message-ID", "List-Unsubscribe")]

    def write(self, part: Draft) -> OutgoingMessage:
        """One reader's mail. Raises UnfitMessage for one that cannot be made."""
        delivery, selection = part.delivery, part.selection
        if delivery.issue_id != self._issue_id:
            raise UnfitMessage("a mail of another issue")
        if selection is None or not selection.picks:
            raise UnfitMessage("a digest without papers is not mailed")
        address, number, since = address_value(part.reader.email), part.reader.id, delivery.created_at
        manage = sign(Purpose.MANAGE, number, since, self._keys)
        unsubscribe = sign(Purpose.UNSUBSCRIBE, number, since, self._keys)
        feedback = sign(Purpose.FEEDBACK, number, since, self._keys)
        name = message_id(delivery.id, delivery.recipient, delivery.occasion, delivery.kind, self._domain)
        own = (
            ("To", address),
            ("Subject", self._joiner.subject(selection.picks[0].paper_id, len(selection.picks)).header),
            ("Date", self._date(delivery.due_at)),
            ("Message-ID", f"<{name}>"),
            ("List-Unsubscribe", f"<{self._unsubscribe_url}{unsubscribe}>"),
        )
        fields = self._fields.copy()
        for place, field in zip(self._places, own, strict=True):
            fields[place] = field
        values = self._values(address, manage.encode(), unsubscribe.encode(), feedback.encode())
        body = self._joiner.body(selection, values)
        message = signed(fields, body, delivery.due_at, self._signers)
        return _written(part, self._reverse_path, name, message, self._joiner.may_have_dots)

    def _values(self, address: str, manage: bytes, unsubscribe: bytes, feedback: bytes) -> SubscriberValues:
        read = encoded_address(address)
        return SubscriberValues(
            {
                "address": read.text,
                "manage_url": self._manage.text + manage,
                "unsubscribe_url": self._unsubscribe.text + unsubscribe,
                "feedback": self._feedback.text + feedback,
            },
            {
                "address": read.html,
                "manage_url": self._manage.html + manage,
                "unsubscribe_url": self._unsubscribe.html + unsubscribe,
                "feedback": self._feedback.html + feedback,
            },
        )


def _written(part: Draft, reverse_path: str, name: str, message: bytes, may_have_dots: bool = True) -> OutgoingMessage:
    envelope = Envelope(part.delivery.id, reverse_path, part.reader.email, message, may_have_dots)
    return OutgoingMessage(envelope, name, hashlib.sha256(message).hexdigest())


def _look(issue: Issue) -> Branding:
    frozen = issue.settings
    return Branding(frozen.title, frozen.public_url, frozen.postal_address, frozen.contact)


def _link_key(keys: Sequence[bytes], name: str) -> bytes:
    key = key_named(keys, name) if name else keys[0]  # an issue of an earlier version names none
    if key is None:
        raise UnfitMessage("the secret key that signs the links of this issue is not set any more")
    return key


def _signers(signers: Sequence[Signer], selectors: Sequence[str]) -> tuple[Signer, ...]:
    try:
        return named(signers, selectors)
    except ValueError as gone:
        raise UnfitMessage(str(gone)) from None


def _sample_headers(issue: Issue, unsubscribe_url: str) -> Headers:
    """With everything that is the same for all readers as it will be."""
    sender = issue.settings.sender
    domain = parseaddr(sender)[1].rpartition("@")[2]
    return Headers(
        sender=sender,
        to="reader@example.com",
        date=issue.cut_at,
        message_id=message_id(0, "", "", OF_ISSUE[issue.kind], domain),
        kind=OF_ISSUE[issue.kind],
        occasion=issue.date.isoformat(),
        list_domain=domain,
        unsubscribe_url=unsubscribe_url + "x" * _TOKEN_LENGTH,
        archive_url=f"{issue.settings.public_url}/issues",
        reply_to=issue.settings.reply_to,
    )


# --- mails without an issue ---


def _links(part: Draft, desk: MailContext) -> SubscriberLinks:
    def link(path: str, purpose: Purpose) -> str:
        return f"{desk.look.public_url}/{path}/{sign(purpose, part.reader.id, part.delivery.created_at, desk.keys)}"

    return SubscriberLinks(
        address=part.reader.email,
        manage_url=link("preferences", Purpose.MANAGE),
        unsubscribe_url=link("u", Purpose.UNSUBSCRIBE),
        confirm_url=link("confirm", Purpose.CONFIRM) if part.delivery.kind is Kind.CONFIRMATION else "",
    )


def _letter(part: Draft, links: SubscriberLinks, desk: MailContext) -> MessageParts:
    renderer = desk.renderer.speaking(part.reader.preferences.language or desk.language)
    match part.delivery.kind:
        case Kind.CONFIRMATION:
            return renderer.confirmation_letter(links, desk.look)
        case Kind.ALREADY:
            return renderer.already_letter(links, desk.look)
        case Kind.LINK:
            return renderer.link_letter(links, desk.look)
        case Kind.GOODBYE:
            return renderer.goodbye_letter(links, desk.look)
        case kind:
            raise ValueError(f"a {kind} without an issue")


def _headers(part: Draft, links: SubscriberLinks, desk: MailContext) -> Headers:
    delivery, sender = part.delivery, desk.senders.transactional
    domain = parseaddr(sender)[1].rpartition("@")[2]
    return Headers(
        sender=sender,
        to=part.reader.email,
        date=delivery.due_at,
        message_id=message_id(delivery.id, delivery.recipient, delivery.occasion, delivery.kind, domain),
        kind=delivery.kind,
        occasion=delivery.occasion,
        list_domain=domain,
        unsubscribe_url=links.unsubscribe_url,
        archive_url=f"{desk.look.public_url}/issues",
        reply_to=desk.senders.reply_to,
    )

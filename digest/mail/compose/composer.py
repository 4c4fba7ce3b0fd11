"""Turns drafts into envelopes. The same draft always gives the same bytes, whatever has changed since the cut."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache

from jinja2 import TemplateError
from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.issues.issue import Issue
from digest.issues.selection import IssueCache
from digest.language import SOURCE
from digest.ledger.kinds import OF_ISSUE, Kind
from digest.ledger.messages import message_of
from digest.mail.compose.context import MailContext, frozen_context
from digest.mail.compose.dkim import first_of_each_kind
from digest.mail.compose.fragments import Fragments, fragments_of, keep_fragments, stored_fragments
from digest.mail.compose.further_cards import FurtherCards
from digest.mail.compose.headers import (
    address_value,
    boundary_for,
    date_value,
    header_fields,
    message_bytes,
    message_id,
    signed,
    unsubscribe_value,
)
from digest.mail.compose.issue_template import IssueTemplate, Values, encoded_address, url_start
from digest.mail.compose.render import SubscriberLinks, frozen_branding
from digest.mail.kinds import KINDS
from digest.mail.message import Draft, Headers, OutgoingMessage, UnfitMessage, language_of
from digest.mail.return_paths import SubscriberAddresses
from digest.smtp import Envelope, is_plain_address
from digest.subscribers.address_change.change import Side
from digest.subscribers.address_change.store import changes_of
from digest.subscribers.tokens import TOKEN_LENGTH, Purpose, sign
from digest.text import domain_of

_LINKS = {  # by their placeholders
    b"manage_url": ("preferences", Purpose.MANAGE),
    b"unsubscribe_url": ("u", Purpose.UNSUBSCRIBE),
    b"feedback": ("feedback", Purpose.FEEDBACK),
}


class IssueComposer:
    """Composes the messages of one issue in one language, thousands a second.

    Prepares what is the same for all subscribers once; each message then costs a few joins.
    """

    def __init__(
        self, issue: Issue, fragments: Fragments, context: MailContext, further: FurtherCards | None = None
    ) -> None:
        """`further`: the cards of papers beyond the best; without, such papers are unfit.

        Raises UnfitMessage when a key that the issue names is no longer set, or its settings fit no header."""
        self._context = frozen_context(issue, context)
        public_url, senders = self._context.branding.public_url, self._context.senders
        boundary = boundary_for(f"issue {issue.id} of {issue.date}")
        self._issue_id = issue.id
        self._any_end = not issue.settings.link_ends  # of an earlier version, whose bytes a retry repeats
        self._domain = domain_of(senders.bulk)
        self._addresses = SubscriberAddresses(senders, self._context.link_keys)
        self._unsubscribe_url = public_url and f"{public_url}/u/"
        self._urls = {name: url_start(f"{public_url}/{path}/", TOKEN_LENGTH) for name, (path, _) in _LINKS.items()}
        self._template = IssueTemplate(fragments, boundary, len(issue.pool), further)
        self._date = lru_cache(maxsize=1_000)(date_value)
        sample = Headers(  # of the fields that all subscribers share; the others are replaced in each message
            sender=senders.bulk,
            reply_to=senders.reply_to,
            to="subscriber@example.com",
            date=issue.cut_at,
            message_id=f"sample@{self._domain}",
            kind=OF_ISSUE[issue.kind],
            occasion=issue.date.isoformat(),
            unsubscribe_url=self._unsubscribe_url and self._unsubscribe_url + "x" * TOKEN_LENGTH,
            unsubscribe_address=self._addresses.to_unsubscribe(0),
            archive_url=public_url and f"{public_url}/issues",
        )
        self._fields = header_fields("A subject", sample, boundary)

    def compose(self, draft: Draft) -> OutgoingMessage:
        """Raises UnfitMessage for a message that cannot be made."""
        delivery, selection = draft.delivery, draft.selection
        if delivery.issue_id != self._issue_id:
            raise UnfitMessage("the message belongs to another issue")
        if selection is None or not (selection.picks or delivery.kind is Kind.NOTICE):
            raise UnfitMessage("a digest without papers is not sent")
        address = address_value(draft.subscriber.email)
        subscriber, about = draft.subscriber, (delivery.created_at, self._context.link_keys, self._any_end)
        tokens = {
            name: sign(purpose, subscriber.id, *about, subscriber.link_version) for name, (_, purpose) in _LINKS.items()
        }
        headline = self._template.headline(selection)
        name = message_id(delivery, self._domain)
        unsubscribe_url = self._unsubscribe_url and self._unsubscribe_url + tokens[b"unsubscribe_url"]
        own = {
            "To": address,
            "Subject": headline.subject,
            "Date": self._date(delivery.date),
            "Message-ID": f"<{name}>",
            "List-Unsubscribe": unsubscribe_value(unsubscribe_url, self._addresses.to_unsubscribe(subscriber.id)),
        }
        fields = [(name, own.get(name, value)) for name, value in self._fields]
        text, html = self._values(address, tokens)
        html[b"subject"], html[b"preheader"] = headline.subject_in_html, headline.preheader
        body = self._template.body(selection, text, html)
        message = signed(fields, body, self._domain, delivery.date, self._context.signers)
        reverse_path, may_have_dots = self._addresses.reverse_path(delivery.id), self._template.may_have_dots
        return _outgoing(Envelope(delivery.id, reverse_path, draft.subscriber.email, message, may_have_dots), name)

    def _values(self, address: str, tokens: dict[bytes, str]) -> tuple[Values, Values]:
        """The address and links of a subscriber, for the text and for the HTML."""
        encoded = encoded_address(address)
        text, html = {b"address": encoded.text}, {b"address": encoded.html}
        for name, token in tokens.items():
            start, end = self._urls[name], token.encode()
            text[name], html[name] = start.text + end, start.html + end
        return text, html


class Composer:
    """Composes the messages of one worker. Reads the fragments of an issue once, because they never change."""

    def __init__(self, engine: Engine, context: MailContext, making: Callable[[int], None], issues: IssueCache) -> None:
        """`making` is told the delivery that is composed next; 0 for none."""
        self._engine = engine
        self._context = context
        self._making = making
        self.issues = issues
        self._issue_composer = lru_cache(maxsize=8)(self._new_issue_composer)

    def compose(self, drafts: Sequence[Draft]) -> tuple[list[tuple[Draft, OutgoingMessage]], dict[int, str]]:
        """The messages, and by delivery the reason why one could not be composed. A faulty draft stops no other."""
        messages: list[tuple[Draft, OutgoingMessage]] = []
        unfit = {}
        for draft in drafts:
            self._making(draft.delivery.id)
            try:
                sent, message = self._message(draft)
                _check(message, sent)
            except (TemplateError, ValueError) as problem:
                unfit[draft.delivery.id] = str(problem)
            else:
                messages.append((sent, message))
        self._making(0)
        return messages, unfit

    def _message(self, draft: Draft) -> tuple[Draft, OutgoingMessage]:
        """The message, and its draft as it was: what may have arrived goes to the same address as before."""
        delivery = draft.delivery
        if draft.issue is not None:
            composer = self._issue_composer(draft.issue.id, language_of(draft))
            message = composer.compose(draft)
            if not delivery.in_doubt or message.sha256 == delivery.sha256:
                return draft, message
            others = ((earlier, composer.compose(earlier)) for earlier in self._earlier(draft))
            return next((other for other in others if other[1].sha256 == delivery.sha256), (draft, message))
        if delivery.in_doubt:
            with read_only(self._engine) as connection:
                stored = message_of(connection, delivery.id)
            if stored:
                sent = next((other for other in self._earlier(draft) if _is_to(other, stored)), draft)
                reverse_path = _addresses_of(self._context).reverse_path(delivery.id)
                envelope = Envelope(delivery.id, reverse_path, sent.subscriber.email, stored, is_evidence=False)
                return sent, _outgoing(envelope, delivery.message_id)
        return draft, compose_transactional(draft, self._context)

    def _earlier(self, draft: Draft) -> Iterator[Draft]:
        """The draft as it may have been before its subscriber changed their address, or revoked their links."""
        with read_only(self._engine) as connection:
            changes = changes_of(connection, draft.subscriber.id)
        keys = {draft.subscriber.email: draft.delivery.recipient, **{each.old_email: each.old_key for each in changes}}
        for email, key in keys.items():
            for version in {draft.subscriber.link_version, max(0, draft.subscriber.link_version - 1)}:
                subscriber = replace(draft.subscriber, email=email, link_version=version)
                yield replace(draft, delivery=replace(draft.delivery, recipient=key), subscriber=subscriber)

    def _new_issue_composer(self, issue_id: int, language: str) -> IssueComposer:
        issue = self.issues.get(issue_id).issue
        with read_only(self._engine) as connection:
            stored = stored_fragments(connection, issue_id, language)
        if stored is None:
            rendered = render_fragments(issue, self._context, language).to_json()
            with transaction(self._engine) as connection:
                stored = keep_fragments(connection, issue_id, language, rendered)
        further = FurtherCards(issue, self._context.renderer.speaking(language), self._engine)
        return IssueComposer(issue, Fragments.from_json(stored), self._context, further)


def _is_to(draft: Draft, message: bytes) -> bool:
    return f"\r\nTo: {draft.subscriber.email}\r\n".encode() in message


def _check(message: OutgoingMessage, draft: Draft) -> None:
    """Raises ValueError for a message that must not be sent."""
    if not is_plain_address(message.envelope.forward_path):
        raise ValueError("the address does not fit into an SMTP command")
    if draft.delivery.in_doubt and draft.delivery.sha256 != message.sha256:
        # The first copy may have arrived, and one that differs would look like a second message.
        raise ValueError("an earlier attempt may have arrived, and the message would now differ")


def _outgoing(envelope: Envelope, message_id: str) -> OutgoingMessage:
    return OutgoingMessage(envelope, message_id, hashlib.sha256(envelope.message).hexdigest())


def render_fragments(issue: Issue, context: MailContext, language: str = SOURCE) -> Fragments:
    """Render the fragments of `issue` in one language. Raises jinja2.TemplateError."""
    return fragments_of(issue, frozen_branding(issue), context.renderer.speaking(language))


def compose_alone(draft: Draft, context: MailContext) -> OutgoingMessage:
    """Compose one message from freshly rendered fragments.

    Raises jinja2.TemplateError or UnfitMessage.
    """
    if draft.issue is None:
        return compose_transactional(draft, context)
    language = language_of(draft)
    further = FurtherCards(draft.issue, context.renderer.speaking(language))
    return IssueComposer(draft.issue, render_fragments(draft.issue, context, language), context, further).compose(draft)


def compose_transactional(draft: Draft, context: MailContext) -> OutgoingMessage:
    """Compose a message that belongs to no issue. Raises jinja2.TemplateError or UnfitMessage."""
    delivery, senders = draft.delivery, context.senders
    links, addresses = _links(draft, context), _addresses_of(context)
    renderer = context.renderer.speaking(draft.subscriber.preferences.language or context.language)
    is_to_stranger = delivery.kind is Kind.NEW_ADDRESS
    headers = Headers(
        sender=senders.transactional,
        reply_to=senders.reply_to,
        to=draft.subscriber.email,
        date=delivery.date,
        message_id=message_id(delivery, domain_of(senders.transactional)),
        kind=delivery.kind,
        occasion=delivery.occasion,
        unsubscribe_url=links.unsubscribe_url,
        # Someone who has nothing to do with the subscription must not be able to end it.
        unsubscribe_address="" if is_to_stranger else addresses.to_unsubscribe(draft.subscriber.id),
    )
    parts = renderer.render(delivery.kind, links, context.branding)
    message = message_bytes(parts, headers, first_of_each_kind(context.signers))
    reverse_path = addresses.reverse_path(delivery.id)
    envelope = Envelope(delivery.id, reverse_path, draft.subscriber.email, message, is_evidence=False)
    return _outgoing(envelope, headers.message_id)


def _addresses_of(context: MailContext) -> SubscriberAddresses:
    return SubscriberAddresses(context.senders, context.link_keys)


def _links(draft: Draft, context: MailContext) -> SubscriberLinks:
    subscriber, created_at, kind = draft.subscriber, draft.delivery.created_at, draft.delivery.kind

    def link(path: str, purpose: Purpose, number: int = subscriber.id) -> str:
        token = sign(purpose, number, created_at, context.link_keys, version=subscriber.link_version)
        return f"{context.branding.public_url}/{path}/{token}"

    links = SubscriberLinks(
        address=subscriber.email,
        manage_url=link("preferences", Purpose.FRESH if KINDS[kind].is_fresh else Purpose.MANAGE),
        unsubscribe_url=link("u", Purpose.UNSUBSCRIBE),
        confirm_url=link("confirm", Purpose.CONFIRM) if kind is Kind.CONFIRMATION else "",
    )
    if draft.change is None:
        return links
    side = Side.NEW if kind is Kind.NEW_ADDRESS else Side.OLD
    url = link(f"address/{side}", side.purpose, draft.change.id)
    links = replace(links, confirm_url=url, new_address=draft.change.new_email)
    return replace(links, manage_url="", unsubscribe_url=url) if side is Side.NEW else links

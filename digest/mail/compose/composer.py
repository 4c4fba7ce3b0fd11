"""Turns drafts into envelopes. The same draft always gives the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from jinja2 import TemplateError
from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.issues.issue import Issue
from digest.issues.selection import IssueCache
from digest.language import SOURCE
from digest.ledger.kinds import Kind
from digest.ledger.sending import message_of
from digest.mail.compose.context import MailContext, frozen_branding
from digest.mail.compose.dkim import first_of_each_kind
from digest.mail.compose.fragments import Fragments, fragments_of
from digest.mail.compose.headers import message_bytes, message_id
from digest.mail.compose.issue_composer import IssueComposer
from digest.mail.compose.render import SubscriberLinks
from digest.mail.compose.store import keep_fragments, stored_fragments
from digest.mail.delivery.journal import Journal
from digest.mail.message import Draft, Headers, OutgoingMessage
from digest.smtp import Envelope, is_plain_address
from digest.subscribers.tokens import Purpose, sign
from digest.text import domain_of


@dataclass(slots=True)
class Composed:
    """The composed messages; `unfit` has, by delivery, the reason why a message could not be composed."""

    messages: list[tuple[Draft, OutgoingMessage]] = field(default_factory=list)
    unfit: dict[int, str] = field(default_factory=dict)


class Composer:
    """Composes the messages of one worker. Reads the fragments of an issue once, because they never change."""

    def __init__(self, engine: Engine, context: MailContext, journal: Journal, issues: IssueCache) -> None:
        self._engine = engine
        self._context = context
        self._journal = journal
        self._issues = issues
        self._issue_composer = lru_cache(maxsize=8)(self._new_issue_composer)

    def compose(self, drafts: Sequence[Draft]) -> Composed:
        """Compose each message on its own, so that a faulty draft stops no other."""
        composed = Composed()
        for draft in drafts:
            self._journal.making(draft.delivery.id)
            try:
                message = self._message(draft)
                _check(message, draft)
            except (TemplateError, ValueError) as problem:
                composed.unfit[draft.delivery.id] = str(problem)
            else:
                composed.messages.append((draft, message))
        self._journal.making(0)
        return composed

    def _message(self, draft: Draft) -> OutgoingMessage:
        delivery = draft.delivery
        if draft.issue is not None:
            return self._issue_composer(draft.issue.id, draft.language).compose(draft)
        if delivery.in_doubt and (stored := self._stored_message(delivery.id)):
            envelope = Envelope(delivery.id, self._context.senders.reverse_path, draft.subscriber.email, stored)
            return OutgoingMessage.of(envelope, delivery.message_id)
        return compose_transactional(draft, self._context)

    def _stored_message(self, delivery_id: int) -> bytes | None:
        with read_only(self._engine) as connection:
            return message_of(connection, delivery_id)

    def _new_issue_composer(self, issue_id: int, language: str) -> IssueComposer:
        issue = self._issues.get(issue_id).issue
        with read_only(self._engine) as connection:
            stored = stored_fragments(connection, issue_id, language)
        if stored is None:
            rendered = render_fragments(issue, self._context, language).to_json()
            with transaction(self._engine) as connection:
                stored = keep_fragments(connection, issue_id, language, rendered)
        return IssueComposer(issue, Fragments.from_json(stored), self._context)


def _check(message: OutgoingMessage, draft: Draft) -> None:
    """Raises ValueError for a message that must not be sent."""
    if not is_plain_address(message.envelope.forward_path):
        raise ValueError("the address does not fit into an SMTP command")
    if draft.delivery.in_doubt and draft.delivery.sha256 != message.sha256:
        # The first copy may have arrived, and one that differs would look like a second message.
        raise ValueError("an earlier attempt may have arrived, and the message would now differ")


def render_fragments(issue: Issue, context: MailContext, language: str = SOURCE) -> Fragments:
    """Render the fragments of `issue` in one language. Raises jinja2.TemplateError."""
    return fragments_of(issue, frozen_branding(issue), context.renderer.speaking(language))


def compose_alone(draft: Draft, context: MailContext) -> OutgoingMessage:
    """Compose one message from freshly rendered fragments.

    Raises jinja2.TemplateError or UnfitMessage.
    """
    if draft.issue is None:
        return compose_transactional(draft, context)
    fragments = render_fragments(draft.issue, context, draft.language)
    return IssueComposer(draft.issue, fragments, context).compose(draft)


def compose_transactional(draft: Draft, context: MailContext) -> OutgoingMessage:
    """Compose a message that belongs to no issue. Raises jinja2.TemplateError or UnfitMessage."""
    delivery, senders = draft.delivery, context.senders
    links = _links(draft, context)
    renderer = context.renderer.speaking(draft.subscriber.preferences.language or context.language)
    headers = Headers(
        sender=senders.transactional,
        reply_to=senders.reply_to,
        to=draft.subscriber.email,
        date=delivery.due_at,
        message_id=message_id(delivery, domain_of(senders.transactional)),
        kind=delivery.kind,
        occasion=delivery.occasion,
        unsubscribe_url=links.unsubscribe_url,
    )
    parts = renderer.render(delivery.kind, links, context.branding)
    message = message_bytes(parts, headers, first_of_each_kind(context.signers))
    envelope = Envelope(delivery.id, senders.reverse_path, draft.subscriber.email, message)
    return OutgoingMessage.of(envelope, headers.message_id)


def _links(draft: Draft, context: MailContext) -> SubscriberLinks:
    def link(path: str, purpose: Purpose) -> str:
        token = sign(purpose, draft.subscriber.id, draft.delivery.created_at, context.link_keys)
        return f"{context.branding.public_url}/{path}/{token}"

    return SubscriberLinks(
        address=draft.subscriber.email,
        manage_url=link("preferences", Purpose.MANAGE),
        unsubscribe_url=link("u", Purpose.UNSUBSCRIBE),
        confirm_url=link("confirm", Purpose.CONFIRM) if draft.delivery.kind is Kind.CONFIRMATION else "",
    )

"""Composes the messages of one issue in one language, thousands a second."""

from functools import lru_cache

from digest.issues.issue import Issue
from digest.ledger.kinds import OF_ISSUE
from digest.mail.compose.context import MailContext, frozen_context
from digest.mail.compose.fragments import Fragments
from digest.mail.compose.headers import (
    UnfitMessage,
    address_value,
    boundary_for,
    check_fields,
    date_value,
    header_fields,
    message_id,
    mime_fields,
    signed,
)
from digest.mail.compose.issue_template import Encoded, IssueTemplate, encoded_address, url_start
from digest.mail.message import Draft, Headers, OutgoingMessage
from digest.smtp import Envelope
from digest.subscribers.tokens import Purpose, sign
from digest.text import domain_of

_TOKEN_LENGTH = 32
_LINKS = {  # by their placeholders
    "manage_url": ("preferences", Purpose.MANAGE),
    "unsubscribe_url": ("u", Purpose.UNSUBSCRIBE),
    "feedback": ("feedback", Purpose.FEEDBACK),
}


class IssueComposer:
    """Prepares the parts that all subscribers share, so that each message costs only a few joins."""

    def __init__(self, issue: Issue, fragments: Fragments, context: MailContext) -> None:
        """Raises UnfitMessage when a key that the issue names is no longer set, or its settings fit no header."""
        frozen = frozen_context(issue, context)
        public_url = frozen.branding.public_url
        boundary = boundary_for(f"issue {issue.id} of {issue.date}")
        self._issue_id = issue.id
        self._reverse_path = frozen.senders.reverse_path
        self._link_keys = frozen.link_keys
        self._signers = frozen.signers
        self._domain = domain_of(frozen.senders.bulk)
        self._unsubscribe_url = f"{public_url}/u/"
        self._urls = {name: url_start(f"{public_url}/{path}/", _TOKEN_LENGTH) for name, (path, _) in _LINKS.items()}
        self._template = IssueTemplate(fragments, boundary)
        self._date = lru_cache(maxsize=1_000)(date_value)
        self._fields = [*header_fields("A subject", self._sample_headers(issue, frozen)), *mime_fields(boundary)]
        check_fields(self._fields)

    def compose(self, draft: Draft) -> OutgoingMessage:
        """Raises UnfitMessage for a message that cannot be made."""
        delivery, selection = draft.delivery, draft.selection
        if delivery.issue_id != self._issue_id:
            raise UnfitMessage("the message belongs to another issue")
        if selection is None or not selection.picks:
            raise UnfitMessage("a digest without papers is not sent")
        address = address_value(draft.subscriber.email)
        tokens = {
            name: sign(purpose, draft.subscriber.id, delivery.created_at, self._link_keys)
            for name, (_, purpose) in _LINKS.items()
        }
        name = message_id(delivery, self._domain)
        own = {
            "To": address,
            "Subject": self._template.subject(selection.picks[0].paper_id, len(selection.picks)).header,
            "Date": self._date(delivery.due_at),
            "Message-ID": f"<{name}>",
            "List-Unsubscribe": f"<{self._unsubscribe_url}{tokens['unsubscribe_url']}>",
        }
        fields = [(name, own.get(name, value)) for name, value in self._fields]
        body = self._template.body(selection, {"address": encoded_address(address), **self._links(tokens)})
        message = signed(fields, body, self._domain, delivery.due_at, self._signers)
        envelope = Envelope(
            delivery.id, self._reverse_path, draft.subscriber.email, message, self._template.may_have_dots
        )
        return OutgoingMessage.of(envelope, name)

    def _links(self, tokens: dict[str, str]) -> dict[str, Encoded]:
        links = {}
        for name, token in tokens.items():
            start, end = self._urls[name], token.encode()
            links[name] = Encoded(start.text + end, start.html + end)
        return links

    def _sample_headers(self, issue: Issue, frozen: MailContext) -> Headers:
        """The header fields that all subscribers share; the others are replaced in each message."""
        return Headers(
            sender=frozen.senders.bulk,
            reply_to=frozen.senders.reply_to,
            to="reader@example.com",
            date=issue.cut_at,
            message_id=f"sample@{self._domain}",
            kind=OF_ISSUE[issue.kind],
            occasion=issue.date.isoformat(),
            unsubscribe_url=self._unsubscribe_url + "x" * _TOKEN_LENGTH,
            archive_url=f"{frozen.branding.public_url}/issues",
        )

"""Chosen mails → their exact bytes, each on its own: one that cannot be made stops no other."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from jinja2 import TemplateError
from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.issues.selection.history import IssueCache
from digest.ledger.sending import message_of
from digest.mail.compose.composer import IssueComposer, MailContext, OutgoingMessage, language_of, make_fragments, write
from digest.mail.compose.fragments import Fragments
from digest.mail.compose.headers import UnfitMessage
from digest.mail.compose.store import keep_fragments, stored_fragments
from digest.mail.delivery.choose import Draft
from digest.mail.delivery.journal import Journal
from digest.smtp.envelope import Envelope
from digest.smtp.wire import is_plain_address


@dataclass(slots=True)
class Composed:
    """What came of some parts. `unfit`: why a mail cannot be made."""

    made: list[tuple[Draft, OutgoingMessage]] = field(default_factory=list)
    unfit: dict[int, str] = field(default_factory=dict)


class Writer:
    """Makes the mails of one worker. An issue's rendered fragments are read once; they never change."""

    def __init__(
        self,
        engine: Engine,
        desk: MailContext,
        journal: Journal,
        issues: IssueCache,
    ) -> None:
        self._engine = engine
        self._desk = desk
        self._journal = journal
        self._issues = issues
        self._press = lru_cache(maxsize=8)(self._make_press)  # an issue in one language

    def write(self, parts: Sequence[Draft]) -> Composed:
        """The exact bytes of each mail. What is in doubt must come out as it was, or not at all."""
        work = Composed()
        for part in parts:
            delivery = part.delivery
            self._journal.making(delivery.id)
            try:
                written = self._write_one(part)
                _check(written, part)
            except (TemplateError, UnfitMessage, ValueError) as problem:
                work.unfit[delivery.id] = str(problem)
            else:
                work.made.append((part, written))
        self._journal.making(0)
        return work

    def _write_one(self, part: Draft) -> OutgoingMessage:
        if part.issue is not None:
            return self._press(part.issue.id, language_of(part.issue, part.selection)).write(part)
        if part.delivery.in_doubt and (kept := self._kept(part.delivery.id)):
            envelope = Envelope(part.delivery.id, self._desk.senders.reverse_path, part.reader.email, kept)
            return OutgoingMessage(envelope, part.delivery.message_id, hashlib.sha256(kept).hexdigest())
        return write(part, self._desk)

    def _kept(self, delivery_id: int) -> bytes | None:
        with read_only(self._engine) as connection:
            return message_of(connection, delivery_id)

    def _make_press(self, issue_id: int, language: str) -> IssueComposer:
        issue = self._issues.get(issue_id).issue
        with read_only(self._engine) as connection:
            stored = stored_fragments(connection, issue_id, language)
        if stored is None:
            made = make_fragments(issue, self._desk, language).to_json()
            with transaction(self._engine) as connection:
                stored = keep_fragments(connection, issue_id, language, made)
        return IssueComposer(issue, Fragments.from_json(stored), self._desk)


def _check(written: OutgoingMessage, part: Draft) -> None:
    """Raises ValueError for what must not go on the wire."""
    if not is_plain_address(written.envelope.forward_path):
        raise ValueError("the address cannot stand in an SMTP command")
    if part.delivery.in_doubt and part.delivery.sha256 != written.sha256:
        # The first copy may have arrived; another that differs would be a second mail and not a copy.
        raise ValueError("an earlier attempt may have arrived, and the message would differ now")

"""Chosen mails → their exact bytes, each on its own: one that cannot be made stops no other."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from jinja2 import TemplateError
from sqlalchemy import Engine

from digest.database.engine import read_only, transaction
from digest.issues.selection import CachedIssue, Pool
from digest.issues.store import issue_by_id
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
    """What came of some parts. `unfit`: why a mail cannot be made; `arrived`: where the mail server's log has it."""

    made: list[tuple[Draft, OutgoingMessage]] = field(default_factory=list)
    unfit: dict[int, str] = field(default_factory=dict)
    arrived: dict[int, str] = field(default_factory=dict)


class Writer:
    """Makes the mails of one worker. An issue's list and its rendered fragments are read once; neither ever changes."""

    def __init__(
        self,
        engine: Engine,
        desk: MailContext,
        journal: Journal,
        look_up: Callable[[Collection[str]], Mapping[str, str]] | None = None,
    ) -> None:
        """`look_up`: which of these Message-IDs the mail server has already, and under what name (mail/postfix_log)."""
        self._engine = engine
        self._desk = desk
        self._journal = journal
        self._look_up = look_up
        self.shelf = lru_cache(maxsize=4)(self._shelf)
        self._press = lru_cache(maxsize=8)(self._make_press)  # an issue in one language

    def write(self, parts: Sequence[Draft]) -> Composed:
        """The exact bytes of each mail. What is in doubt must come out as it was, or not at all."""
        work = Composed()
        in_server = self._already_there(parts)
        for part in parts:
            delivery = part.delivery
            if delivery.message_id in in_server and delivery.in_doubt:
                work.arrived[delivery.id] = f"found in the mail server's log as {in_server[delivery.message_id]}"
                continue
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

    def _already_there(self, parts: Sequence[Draft]) -> Mapping[str, str]:
        doubtful = {part.delivery.message_id for part in parts if part.delivery.in_doubt}
        return self._look_up(doubtful) if self._look_up and doubtful else {}

    def _kept(self, delivery_id: int) -> bytes | None:
        with read_only(self._engine) as connection:
            return message_of(connection, delivery_id)

    def _shelf(self, issue_id: int) -> CachedIssue:
        with read_only(self._engine) as connection:
            issue = issue_by_id(connection, issue_id)
        return CachedIssue(issue, Pool(issue, languages=self._desk.renderer.languages))

    def _make_press(self, issue_id: int, language: str) -> IssueComposer:
        issue = self.shelf(issue_id).issue
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

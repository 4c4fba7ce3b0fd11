"""Signs up many people. Each gets a confirmation email unless they confirmed elsewhere.

People who left, bounced or were blocked in the other program stay out here as well. A list is read twice: first to
check it and to find duplicate addresses. A list that is refused changes nothing.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import NamedTuple

from sqlalchemy import Connection, Engine, delete, select, text, update
from sqlalchemy.exc import IntegrityError

from digest.database.dialect import insert_new
from digest.database.engine import read_only, transaction
from digest.database.tables import imports
from digest.ledger import events
from digest.subscribers.addresses import folded
from digest.subscribers.imports.batches import Batch, Decisions, RowOutcome, store_batch
from digest.subscribers.imports.columns import Row
from digest.subscribers.imports.list_file import ListFile
from digest.subscribers.imports.listed_status import ListedStatus, strictest
from digest.subscribers.imports.people import ForeignKey, Import, ListedPerson, PeopleReader
from digest.subscribers.subscriber import recipient_key
from digest.subscribers.suppressions import Suppression

Work = Callable[[Connection], Batch]
BATCH = 2000  # people in one transaction
_ATTEMPTS = 5  # of a batch, if someone signs up meanwhile
_BITS = 1 << 27  # of a bitmap for duplicate addresses, in 16 MB
_MANY = 10_000  # after which PostgreSQL needs new statistics


class Rejected(NamedTuple):
    """A row that is not imported."""

    line: int
    text: str
    problem: str


@dataclass(slots=True)
class ImportReport:
    """Counts of an import."""

    counts: Counter[RowOutcome] = field(default_factory=Counter)
    bad: list[Rejected] = field(default_factory=list)  # empty for a list file: Import.on_error gets them
    invalid: int = 0
    left_out: int = 0  # suppressions of deleted people under another key
    skipped: int = 0  # rows that were imported before an interruption


class OtherKey(Exception):
    """The list has suppressions of deleted people that were made under other secret keys."""

    def __init__(self, count: int, key_ids: Sequence[str]) -> None:
        super().__init__()
        self.count = count
        self.key_ids = key_ids


class AlreadyRunning(Exception):
    """Another process imports the same list."""


@dataclass(slots=True)
class _Survey:
    """The findings of the first reading."""

    rows: int = 0
    twice: set[str] = field(default_factory=set)  # duplicate addresses, and perhaps a few others
    spelt_twice: set[str] = field(default_factory=set)  # the same for mailboxes
    foreign: Counter[str] = field(
        default_factory=Counter
    )  # numbers of suppressions of deleted people, by the id of their key


class _Seen:
    """A set of texts with false positives: one in a hundred at a million texts."""

    def __init__(self) -> None:
        self._bits = bytearray(_BITS >> 3)

    def add(self, text: str) -> bool:
        """True if it was seen before."""
        number = hash(text) % _BITS
        at, bit = number >> 3, 1 << (number & 7)
        seen = bool(self._bits[at] & bit)
        self._bits[at] |= bit
        return seen


def import_rows(engine: Engine, rows: Iterable[Row], how: Import) -> ImportReport:
    """Sign up each address that is not stored yet, with the status in its row, and publish webhook events."""
    report, reader = ImportReport(), PeopleReader(how)
    people: dict[str, ListedPerson] = {}
    for line, row in enumerate(rows, start=1):
        try:
            person = reader.person(row)
        except ValueError as problem:
            report.bad.append(Rejected(line, _text(row), str(problem)))
            continue
        if before := people.get(person.mailbox.key):
            report.counts[RowOutcome.DOUBLE] += 1
            person = replace(before, listed=strictest([before.listed, person.listed]))
        people[person.mailbox.key] = person
    report.invalid = len(report.bad)
    decisions = Decisions(how.now)

    def work(connection: Connection) -> Batch:
        batch = decisions.decide(connection, [*people.values()])
        if not how.dry_run:
            store_batch(connection, batch, how.consented, how.now, tells=True)
        return batch

    report.counts += _retried(engine, work).counts
    return report


def import_list(engine: Engine, listed: ListFile, how: Import) -> ImportReport:
    """Import a list in batches; an interrupted import continues after its last batch. Raises OtherKey."""
    return _ListImport(engine, listed, how).run()


class _ListImport:
    def __init__(self, engine: Engine, listed: ListFile, how: Import) -> None:
        self._engine, self._listed, self._how = engine, listed, how
        self._reader = PeopleReader(how, listed.status)
        options = (listed.sha256, how.consented, how.status, how.leave_out_deleted, how.secret.hex())
        self._name = hashlib.sha256("\0".join(map(str, options)).encode()).hexdigest()
        self._report = ImportReport()

    def run(self) -> ImportReport:
        survey = self._survey()
        if survey.foreign and not self._how.leave_out_deleted:
            raise OtherKey(survey.foreign.total(), sorted(survey.foreign))
        self._how.on_counted(survey.rows)
        first_of = self._merged(survey.twice)
        done = self._begin()
        keys = {recipient_key(address, self._how.secret) for address in survey.spelt_twice}
        decisions = Decisions(self._how.now, keys if self._how.dry_run else ())
        rows = islice(enumerate(self._listed.rows(), start=1), done, None)
        self._how.on_each(done)
        while chunk := [*islice(rows, BATCH)]:
            self._import(chunk, decisions, first_of)
        self._end()
        return self._report

    def _survey(self) -> _Survey:
        survey, addresses, mailboxes = _Survey(), _Seen(), _Seen()
        for _, row in self._listed.rows():
            survey.rows += 1
            try:
                if self._reader.deleted(row):
                    continue
                address = self._reader.address(row).casefold()
            except ForeignKey as other:
                survey.foreign[other.key_id] += 1
                continue
            except ValueError:
                continue
            if addresses.add(address):
                survey.twice.add(address)
            if self._how.dry_run and mailboxes.add(mailbox := folded(address)):
                survey.spelt_twice.add(mailbox)
        return survey

    def _merged(self, twice: set[str]) -> dict[str, tuple[int, ListedStatus]]:
        """Return the number of the first valid row and the strictest status of each duplicate address."""
        merged: dict[str, tuple[int, ListedStatus]] = {}
        for number, (_, row) in enumerate(self._listed.rows() if twice else (), start=1):
            try:
                if self._reader.deleted(row) or self._reader.address(row).casefold() not in twice:
                    continue
                person = self._reader.person(row)
            except (ValueError, ForeignKey):
                continue
            first, status = merged.get(person.mailbox.key, (number, person.listed))
            merged[person.mailbox.key] = (first, strictest([status, person.listed]))
        return merged

    def _import(
        self,
        chunk: Sequence[tuple[int, tuple[int, Row]]],
        decisions: Decisions,
        first_of: dict[str, tuple[int, ListedStatus]],
    ) -> None:
        people: list[ListedPerson] = []
        deleted: dict[str, Suppression] = {}
        problems, doubles, left_out = list[Rejected](), 0, 0
        for number, (line, row) in chunk:
            try:
                if suppression := self._reader.deleted(row):
                    doubles += suppression.key in deleted
                    deleted[suppression.key] = suppression
                    continue
                person = self._reader.person(row)
            except ForeignKey:
                left_out += 1
                continue
            except ValueError as problem:
                problems.append(Rejected(line, _text(row), str(problem)))
                continue
            first, status = first_of.get(person.mailbox.key, (number, person.listed))
            if first == number:
                people.append(replace(person, listed=status) if status != person.listed else person)
            else:
                doubles += 1
        self._report.invalid += len(problems)
        self._report.left_out += left_out
        self._report.counts[RowOutcome.DOUBLE] += doubles
        self._report.counts += self._store(people, [*deleted.values()], decisions, chunk[-1][0])
        for rejected in problems:
            self._how.on_error(*rejected)
        self._how.on_each(len(chunk))

    def _store(
        self, people: list[ListedPerson], deleted: list[Suppression], decisions: Decisions, last: int
    ) -> Counter[RowOutcome]:
        how = self._how

        def work(connection: Connection) -> Batch:
            batch = decisions.decide(connection, people, deleted)
            if not how.dry_run:
                store_batch(connection, batch, how.consented, how.now, tells=False)
                self._remember(connection, batch.counts, last)
            return batch

        return _retried(self._engine, work, reads=how.dry_run).counts

    # --- progress ---

    def _begin(self) -> int:
        """Return the number of rows that are done."""
        with read_only(self._engine) as connection:
            row = connection.execute(select(imports).where(imports.c.name == self._name)).one_or_none()
        if row is None:
            if not self._how.dry_run:
                with transaction(self._engine) as connection:
                    new = insert_new(connection, imports)
                    connection.execute(new.values(name=self._name, begun_at=self._how.now, rows=0, counts={}))
            return 0
        counts = dict(row.counts)
        self._report.invalid, self._report.left_out = counts.pop("invalid", 0), counts.pop("left out", 0)
        self._report.counts = Counter({RowOutcome(name): count for name, count in counts.items()})
        self._report.skipped = row.rows
        return int(row.rows)

    def _remember(self, connection: Connection, counts: Counter[RowOutcome], last: int) -> None:
        """Store the counts so far, with those of this batch and the number of its last row."""
        report = self._report
        total = {str(what): count for what, count in (report.counts + counts).items()}
        total |= {"invalid": report.invalid, "left out": report.left_out}
        mine = (imports.c.name == self._name) & (imports.c.rows < last)
        change = update(imports).where(mine).values(rows=last, counts=total)
        if connection.execute(change).rowcount != 1:
            raise AlreadyRunning

    def _end(self) -> None:
        if self._how.dry_run:
            return
        with transaction(self._engine) as connection:
            connection.execute(delete(imports).where(imports.c.name == self._name))
            counts = {str(what): count for what, count in self._report.counts.items() if count}
            detail = {"consented": self._how.consented, **counts, "invalid": self._report.invalid}
            events.record(connection, self._how.now, "subscribers", "imported", detail)
            if connection.dialect.name == "postgresql" and self._report.counts.total() >= _MANY:
                connection.execute(text("ANALYZE subscribers, suppressions, deliveries"))


def _retried(engine: Engine, work: Work, reads: bool = False) -> Batch:
    """Do `work` in a transaction, and again if someone signs up meanwhile."""
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with read_only(engine) if reads else transaction(engine) as connection:
                return work(connection)
        except IntegrityError:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError


def _text(row: Row) -> str:
    return dict(row).get("email") or ", ".join(cell for _, cell in row if cell)

"""The sender of the simulated year, and the judge of its messages."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from datetime import date
from typing import Any

from sqlalchemy import Engine, select

from benchmarks.whole_year.lives import Life
from benchmarks.year import InstantSender
from digest.database.dialect import in_list
from digest.database.engine import read_only
from digest.database.tables import deliveries
from digest.ledger.kinds import WITH_PAPERS, State
from digest.smtp import Envelope, Reply

_PAPER = re.compile(rb"arxiv\.org/abs/(\d{4}\.\d{5})")


class Mailbox(InstantSender):
    """A sender that keeps a log of the papers in each message."""

    def __init__(self) -> None:
        self.log: list[tuple[int, str, frozenset[bytes]]] = []  # delivery, address, papers

    def submit(self, window: Sequence[Envelope], now: Any, begin_until: float) -> "Future[list[Reply]]":
        for each in window:
            papers = frozenset(_PAPER.findall(each.message.replace(b"=\r\n", b"")))
            self.log.append((each.id, each.forward_path, papers))
        return super().submit(window, now, begin_until)


class Judge:
    """Counts the issues that each subscriber got, and the papers in them."""

    def __init__(self, engine: Engine, lives: Sequence[Life]) -> None:
        self._engine = engine
        self._by_address = {life.address: life for life in lives}
        self._papers: defaultdict[int, set[bytes]] = defaultdict(set)
        self._issues: Counter[tuple[int, date]] = Counter()
        self.messages: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.repeated = 0
        self.broken: list[str] = []

    def read(self, log: list[tuple[int, str, frozenset[bytes]]]) -> None:
        """Take in the messages of a day, and forget them."""
        query = select(deliveries.c.id, deliveries.c.kind, deliveries.c.occasion)
        with read_only(self._engine) as connection:
            ids = [delivery for delivery, _, _ in log]
            of = {
                id_: rest for id_, *rest in connection.execute(query.where(in_list(connection, deliveries.c.id, ids)))
            }
        for delivery, address, papers in log:
            kind, occasion = of[delivery]
            self.messages[kind] += 1
            if kind in WITH_PAPERS:
                life = self._by_address[address]
                self._issues[life.number, date.fromisoformat(str(occasion)[:10])] += 1
                self._no_paper_twice(life, occasion, papers)
        log.clear()

    def _no_paper_twice(self, life: Life, occasion: str, papers: frozenset[bytes]) -> None:
        earlier = self._papers[life.number]
        if not papers or papers & earlier:
            self.repeated += 1
            self._is_broken(f"{life.address} got {len(papers & earlier)} of {len(papers)} papers again on {occasion}")
        earlier |= papers

    def end(self, day: date) -> None:
        """Check the issue of a day that is over."""
        query = select(deliveries.c.subscriber_id, deliveries.c.reason, deliveries.c.state)
        mine = (deliveries.c.occasion == str(day)) & (deliveries.c.kind.in_(WITH_PAPERS))
        with read_only(self._engine) as connection:
            rows = connection.execute(query.where(mine, deliveries.c.state != State.ACCEPTED)).all()
        not_sent = {subscriber: (reason, state) for subscriber, reason, state in rows}
        self.skipped.update(f"{state}: {reason}" for reason, state in not_sent.values())
        for life in self._by_address.values():
            number, expected = self._issues.pop((life.number, day), 0), life.expected(day)
            may_be_skipped = not life.preferences.full_lists and number == 0 and life.id in not_sent
            if number not in expected and not may_be_skipped:
                self._is_broken(f"{life.address} got {number} issues of {day} ({not_sent.get(life.id)})")

    def _is_broken(self, promise: str) -> None:
        self.broken.append(promise)

"""Counts the replies that one worker gets, for the metrics."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from digest import machine_clock
from digest.ledger.replies import ReplyClass, reply_class
from digest.mail.delivery.outcome import Outcome, Receipt
from digest.text import domain_of

Replies = Mapping[tuple[str, ReplyClass], int]  # by domain and class

_EVERY = 1.0  # second: workers that stored each window would wait for each other's rows


def replies_in(responses: Iterable[tuple[str, Receipt]]) -> Counter[tuple[str, ReplyClass]]:
    """Count the receipts, each with its address, whose message was begun."""
    return Counter(
        (domain_of(address).lower(), reply_class(receipt.code))
        for address, receipt in responses
        if receipt.outcome is not Outcome.NOT_ATTEMPTED
    )


class ReplyCounter:
    """Collects counts until they are stored with a transaction of the ledger; a killed worker loses one second's."""

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or machine_clock.monotonic
        self._counts: Counter[tuple[str, ReplyClass]] = Counter()
        self._stored_at = self._clock()

    def add(self, responses: Iterable[tuple[str, Receipt]]) -> None:
        self._counts += replies_in(responses)

    def due(self, at_once: bool = False) -> Replies:
        """Returns the counts to store now: none within a second of the last time, unless `at_once`."""
        return Counter(self._counts) if at_once or self._clock() - self._stored_at >= _EVERY else {}

    def stored(self, replies: Replies) -> None:
        """To be called with the result of due() once its transaction is committed."""
        if replies:
            self._counts -= Counter(replies)
            self._stored_at = self._clock()

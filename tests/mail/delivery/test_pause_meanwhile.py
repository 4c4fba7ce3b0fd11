"""A pause holds for the window that was ready to go when it was made."""

from concurrent.futures import Future

import pytest
from sqlalchemy import func, select

from digest.database.engine import read_only
from digest.database.tables import deliveries
from digest.mail import pauses
from digest.mail.pauses import EVERYTHING
from digest.mail.throttle import Rates, Throttle
from digest.mail.throttle.limits import Limits
from digest.smtp import Phase, Reply, Sender
from tests.mail.delivery.builders import SEVEN
from tests.support.scenario import ON_SQLITE, add_papers, add_subscriber, cut
from tests.support.workers import postman


class SlowServer(Sender):
    """Accepts everything; while the first reply is awaited, `meanwhile` happens."""

    def __init__(self, meanwhile):
        self.sent, self._meanwhile = [], [meanwhile]

    def submit(self, window, now, _begin_until):
        self.sent += [envelope.forward_path for envelope in window]
        replies, meanwhile = [Reply(each.id, Phase.CONTENT, 250, "2.0.0 ok", now()) for each in window], self._meanwhile

        class Awaited(Future):
            def result(self, timeout=None):
                while meanwhile:
                    meanwhile.pop()()
                return replies

        return Awaited()


@ON_SQLITE
@pytest.mark.parametrize(("scope", "sent"), [(EVERYTHING, 2), ("a.org", 2), ("b.org", 6)])
def test_a_pause_stops_the_window_that_waited_for_room_on_the_wire(engine, tmp_path, scope, sent):
    add_papers(engine, range(1, 4))
    for number in range(6):
        add_subscriber(engine, f"reader{number}@a.org")
    cut(engine)
    server = SlowServer(lambda: pauses.pause_by_hand(engine, scope, "stop", SEVEN))
    # The second of the clock is another at each look, so that nothing is decided by what was read before.
    clock = iter(range(10_000))
    throttle = Throttle(engine, Rates(""), Limits())
    worker = postman(engine, server, tmp_path, lambda: SEVEN.replace(second=next(clock) % 60), throttle=throttle)
    worker.deliver_due(100)
    worker.close()
    assert len(server.sent) == sent
    with read_only(engine) as connection:
        waiting = select(func.count()).select_from(deliveries).where(deliveries.c.state == "queued")
        assert connection.scalar(waiting) == 6 - sent

"""Each reply at each step of a session: the party at fault, and the next state of the delivery."""

import shutil
from contextlib import closing
from datetime import timedelta

import pytest
from sqlalchemy import select

from digest.database.engine import connect, read_only
from digest.database.tables import deliveries
from digest.mail import pauses
from digest.mail.throttle import Limits, Rates, Throttle
from digest.smtp import Timeouts
from digest.subscribers import store
from digest.subscribers.suppressions import is_suppressed
from digest.text import domain_of
from tests.mail.delivery.builders import SEVEN, Hands
from tests.support.scenario import ON_SQLITE, add_papers, add_subscriber, cut
from tests.support.smtp_server import HANG_UP, RESET, Act, Step, Then
from tests.support.workers import postman

MINUTE = timedelta(minutes=1)
LATER = ("queued", 5 * MINUTE, 1)

# about whom → state, wait and counted attempts · domain rests · address is suppressed
THEN = {
    "nobody": (("accepted", None, 0), False, False),
    "this connection": (("accepted", None, 0), False, False),  # sent over another at once
    "us": (("queued", MINUTE, 0), False, False),
    "us or this message": (LATER, False, False),  # others are accepted
    "this message, later": (LATER, False, False),
    "its destination": (LATER, True, False),
    "this message": (("refused", None, 0), False, False),
    "this address": (("refused", None, 0), False, True),
    "nobody knows": (("uncertain", 5 * MINUTE, 1), False, False),
}

# step · code · on this connection only, or on each · about whom
ONCE, ALWAYS = False, True
SILENT = Act(reply="", wait=60)  # until the client has had enough
LOGIN = {"username": "user", "password": "secret"}
IMPATIENT = Timeouts(connect=0.5, command=0.3, final_reply=0.3, message=5)
LOST_AFTER_THE_DOT = Act(reply="", then=Then.HANG_UP, keep=False)
TABLE = [
    (Step.CONNECT, "421 4.7.0 too many connections", ALWAYS, "us"),
    (Step.CONNECT, "554 5.7.1 you are blocked", ALWAYS, "us"),
    (Step.CONNECT, HANG_UP, ALWAYS, "us"),
    (Step.EHLO, "421 4.3.2 not now", ALWAYS, "us"),
    (Step.EHLO, "550 5.7.1 go away", ALWAYS, "us"),
    (Step.EHLO, SILENT, ALWAYS, "us"),
    (Step.AUTH, "454 4.7.0 not now", ALWAYS, "us"),
    (Step.AUTH, "535 5.7.8 bad credentials", ALWAYS, "us"),
    (Step.AUTH, HANG_UP, ALWAYS, "us"),
    *[
        (Step.MAIL, code, *row)
        for code in (
            "421 4.7.0 too many messages",
            "421 4.3.2 closing",
            "450 4.7.1 too much mail from you",
            "451 4.7.1 greylisted",
            "452 4.3.1 disk full",
            "550 5.7.1 sender rejected",
            "552 quota",
            "553 5.1.8 no such domain",
            "530 5.7.0 log in first",
            HANG_UP,
            SILENT,
        )
        for row in ((ONCE, "this connection"), (ALWAYS, "us"))
    ],
    (Step.RCPT, "250 2.1.5 ok", ALWAYS, "nobody"),
    (Step.RCPT, "421 4.7.0 closing", ONCE, "this connection"),
    (Step.RCPT, "421 4.7.28 too many for you", ALWAYS, "its destination"),
    (Step.RCPT, "421 4.3.2 closing", ALWAYS, "this message, later"),
    (Step.RCPT, "450 4.7.1 greylisted", ALWAYS, "this message, later"),
    (Step.RCPT, "450 4.7.1 too many messages to this domain", ALWAYS, "its destination"),
    (Step.RCPT, "451 4.3.0 lookup failed", ALWAYS, "this message, later"),
    (Step.RCPT, "452 4.2.2 mailbox full", ALWAYS, "this message, later"),
    (Step.RCPT, "452 4.5.3 too many recipients", ONCE, "this connection"),
    (Step.RCPT, "452 4.5.3 too many recipients", ALWAYS, "this message, later"),
    (Step.RCPT, "550 5.1.1 no such user", ALWAYS, "this address"),
    (Step.RCPT, "554 5.0.0 no", ALWAYS, "this message"),
    (Step.RCPT, "550 5.7.1 policy", ALWAYS, "us or this message"),
    (Step.RCPT, HANG_UP, ALWAYS, "us"),
    (Step.RCPT, SILENT, ALWAYS, "us"),
    (Step.DATA, "421 4.7.0 closing", ONCE, "this connection"),
    (Step.DATA, "451 4.3.0 queue file", ALWAYS, "this message, later"),
    (Step.DATA, "550 5.2.1 disabled", ALWAYS, "this address"),
    (Step.DATA, "554 5.5.1 no valid recipients", ALWAYS, "us or this message"),
    (Step.DATA, HANG_UP, ALWAYS, "us"),
    (Step.DATA, SILENT, ALWAYS, "us"),
    (Step.END, "421 4.7.0 try again later", ALWAYS, "its destination"),
    (Step.END, "421 4.3.0 closing", ALWAYS, "this message, later"),
    (Step.END, "451 4.7.1 scanner away", ALWAYS, "this message, later"),
    (Step.END, "550 5.7.26 unauthenticated", ALWAYS, "us or this message"),
    (Step.END, "552 5.2.3 too long", ALWAYS, "this message"),
    (Step.END, LOST_AFTER_THE_DOT, ALWAYS, "nobody knows"),
    (Step.END, SILENT, ALWAYS, "nobody knows"),
]


@pytest.fixture(scope="module")
def queued_sqlite(sqlite_template, tmp_path_factory):
    """A SQLite database with an issue for five subscribers, cut once and then copied."""
    path = shutil.copy(sqlite_template, tmp_path_factory.mktemp("queued") / "queued.sqlite")
    engine = connect(f"sqlite:///{path}")
    add_papers(engine, range(3))
    for number in range(5):
        add_subscriber(engine, f"a@{number}.example")
    cut(engine)
    engine.dispose()  # which writes everything into the one file
    return path


@pytest.fixture
def recipients(engine, queued_sqlite):
    """Their keys, in the order in which they are sent to; on SQLite."""
    engine.dispose()
    shutil.copy(queued_sqlite, engine.url.database)
    with read_only(engine) as connection:
        return list(connection.scalars(select(deliveries.c.recipient).order_by(deliveries.c.id)))


@pytest.fixture
def deliver(engine, smtp_server, tmp_path):
    """Deliver all, over one connection, by a worker that keeps to limits and pauses."""
    smtp_server.auth = True
    hands = Hands(engine, smtp_server, tmp_path / "journal", connections=1, timeouts=IMPATIENT, **LOGIN)
    throttle = Throttle(engine, Rates(""), Limits())

    def deliver():
        worker = postman(engine, hands.sender, hands.folder, lambda: hands.at, throttle=throttle)
        with closing(worker):
            worker.deliver_due(10_000)

    yield deliver
    hands.sender.close()


@ON_SQLITE
@pytest.mark.parametrize(("step", "reply", "always", "about"), TABLE, ids=str)
def test_what_a_reply_at_a_step_means_and_what_happens_then(
    deliver, engine, recipients, smtp_server, step, reply, always, about
):
    with read_only(engine) as connection:
        # Three go before it over the same connection, and one beside it, in the same window.
        bob = store.by_key(connection, recipients[3])
    to = bob.email if step in (Step.RCPT, Step.DATA, Step.END) else "*"
    before = [Act()] * 3 if step is Step.MAIL else []
    smtp_server.answer(step, *before, *[reply] * (9 if always else 1), to=to)
    deliver()
    expected, rests, is_bad = THEN[about]
    with read_only(engine) as connection:
        columns = (deliveries.c.state, deliveries.c.next_attempt_at, deliveries.c.attempts)
        row = connection.execute(select(*columns).where(deliveries.c.recipient == bob.key)).one()
        resting = {pause.scope for pause in pauses.current(connection, SEVEN)} - {pauses.EVERYTHING}
        suppressed = [key for key in recipients if is_suppressed(connection, key)]
    state, wait, attempts = expected
    assert (row.state, row.attempts) == (state, attempts)
    if wait:
        assert 0.9 * wait <= row.next_attempt_at - SEVEN <= 1.1 * wait
    assert (resting, suppressed) == ({domain_of(bob.email)} if rests else set(), [bob.key] if is_bad else [])


@ON_SQLITE
@pytest.mark.parametrize("step", [Step.RSET, Step.QUIT])
@pytest.mark.parametrize(
    "reply", ["421 4.7.0 closing", "500 5.5.1 what?", "250 2.0.0 ok", HANG_UP, RESET, SILENT], ids=str
)
def test_what_follows_a_message_is_about_no_message(deliver, engine, recipients, smtp_server, step, reply):
    smtp_server.answer(Step.RCPT, "550 5.1.1 no such user", to="a@2.example")
    smtp_server.answer(step, reply)
    deliver()
    with read_only(engine) as connection:
        states = list(connection.execute(select(deliveries.c.state, deliveries.c.attempts).order_by("state")))
        assert states == [*[("accepted", 0)] * 4, ("refused", 0)]
        assert pauses.all_pauses(connection) == []


def test_a_server_that_takes_a_few_mails_a_connection_gets_all_of_them_at_once(deliver, engine, smtp_server):
    smtp_server.limit = 20
    add_papers(engine, range(3))
    for number in range(110):
        add_subscriber(engine, f"reader{number}@example.org")
    cut(engine)
    deliver()
    assert len(smtp_server.taken) == 110
    with read_only(engine) as connection:
        assert set(connection.execute(select(deliveries.c.state, deliveries.c.attempts))) == {("accepted", 0)}
        assert pauses.all_pauses(connection) == []

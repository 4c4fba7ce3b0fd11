"""The database commits and its answer is lost: the worker cannot know, and still nobody gets two messages or none."""

from collections import Counter
from contextlib import closing, suppress
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import make_url

from digest.database.engine import DATABASE_AWAY, connect
from tests.mail.delivery.builders import SEVEN, Hands
from tests.support.scenario import add_papers, add_subscriber, cut, desk
from tests.support.tcp_proxy import proxied
from tests.support.workers import postman

SUBSCRIBERS = 30


@pytest.mark.parametrize("every", [2, 3, 5])
def test_a_lost_answer_to_a_commit_loses_and_doubles_nothing(every, postgresql_url, smtp_server, tmp_path):
    direct = connect(postgresql_url)
    add_papers(direct, range(12))
    for number in range(SUBSCRIBERS):
        add_subscriber(direct, f"subscriber{number}@example.com")
    issue = cut(direct)
    url = make_url(postgresql_url)
    commits = count(1)
    with proxied(server_of(url)) as proxy:
        through = connect(f"postgresql://{url.username}@127.0.0.1:{proxy.port}/{url.database}")
        proxy.lose_answers(lambda request: b"COMMIT\0" in request and proxy.lost < 8 and next(commits) % every == 0)
        hands = Hands(through, smtp_server, tmp_path / "journal")
        with closing(hands.sender), closing(worker_of(hands)) as worker:
            for minutes in range(40):  # a hint each; what the last check refused is due again half a minute later
                hands.at = SEVEN + timedelta(minutes=minutes)
                with suppress(*DATABASE_AWAY):
                    worker.deliver_due(10_000)
        through.dispose()
    hands.engine = direct
    sums = hands.audit(issue)
    direct.dispose()
    assert proxy.lost >= 4
    assert sums.accepted == SUBSCRIBERS
    copies = Counter(taken.rcpt_tos[0] for taken in smtp_server.taken)
    assert (len(copies), set(copies.values())) == (SUBSCRIBERS, {1})


def worker_of(hands):
    return postman(hands.engine, hands.sender, hands.folder, lambda: hands.at, desk_=desk())


def server_of(url):
    """The port of the server, or its socket."""
    folder = url.query.get("host")
    return next(Path(folder).glob(".s.PGSQL.*[0-9]")) if folder else url.port

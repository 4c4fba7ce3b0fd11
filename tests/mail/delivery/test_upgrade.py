"""The database is upgraded while workers of the version before send an issue."""

import threading
from collections import Counter

from sqlalchemy import text

from digest.database.engine import read_only, transaction
from digest.database.migrate import NEWER, why_not_current
from tests.mail.delivery.builders import hands
from tests.support.scenario import add_papers, add_subscriber, cut
from tests.support.smtp_server import Act, Step
from tests.support.waiting import wait_for

__all__ = ["hands"]

SUBSCRIBERS = 40
STEPS = (
    "ALTER TABLE deliveries ADD COLUMN of_a_later_version INTEGER DEFAULT 0 NOT NULL",
    "CREATE INDEX of_a_later_version ON deliveries (of_a_later_version)",
    "UPDATE deliveries SET of_a_later_version = id",
    "UPDATE alembic_version SET version_num = 'ffffffffffff'",
)


def test_an_upgrade_in_mid_issue_loses_and_doubles_nothing_and_the_old_version_starts_no_more(
    hands, engine, smtp_server
):
    add_papers(engine, range(12))
    for number in range(SUBSCRIBERS):
        add_subscriber(engine, f"subscriber{number}@example.com")
    issue = cut(engine)
    smtp_server.always(Step.END, Act(wait=0.05))
    worker = threading.Thread(target=hands.deliver)
    worker.start()
    wait_for(lambda: len(smtp_server.taken) >= 5, 60, "the first messages")
    with transaction(engine) as connection:
        for step in STEPS:
            connection.execute(text(step))
        before = len(smtp_server.taken)
    worker.join()
    hands.deliver("another")
    assert before < SUBSCRIBERS
    assert hands.audit(issue).accepted == SUBSCRIBERS
    copies = Counter(taken.rcpt_tos[0] for taken in smtp_server.taken)
    assert (len(copies), set(copies.values())) == (SUBSCRIBERS, {1})
    with read_only(engine) as connection:
        assert why_not_current(connection) == NEWER

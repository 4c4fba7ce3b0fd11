"""The metrics are what happened: to messages, replies, subscribers and sources; counters never go back."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from digest.database.engine import connect, read_only, transaction
from digest.database.tables import reply_counts
from digest.ledger import sending, totals, transitions
from digest.ledger.replies import ReplyClass, count_replies, name_destinations, replies_to
from digest.monitoring.metrics import families, measure
from digest.papers.collecting import SourceHealth, SourceRun, record_run
from digest.settings import Settings
from digest.subscribers import erasing, growth, store
from tests.mail.delivery.builders import SEVEN, hands
from tests.support.scenario import DAY, MORNING, ON_SQLITE, add_papers, add_subscriber, change_deliveries, cut
from tests.support.smtp_server import Step

__all__ = ["hands"]  # a fixture
LATER = SEVEN + timedelta(hours=1)
PEOPLE = ("ada@big.example", "ben@big.example", "eve@small.example", "joe@big.example")


def scrape(engine, now=LATER):
    """Every sample, by its name and labels."""
    measured = measure(engine, Settings(), now)
    samples = [sample for family in families(measured) for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in samples}


def counters(engine):
    return {key: value for key, value in scrape(engine).items() if key[0].endswith("_total")}


@pytest.fixture
def sent(engine, hands):
    """An issue of which one message was refused and one deferred; of the domains only big.example has a name."""
    add_papers(engine, range(3))
    for email in PEOPLE:
        add_subscriber(engine, email)
    with transaction(engine) as connection:
        name_destinations(connection, growth.largest_domains(connection, 20, 2))
    issue = cut(engine)
    hands.server.always(Step.RCPT, "550 5.1.1 No such user", to=PEOPLE[1])
    hands.server.answer(Step.RCPT, "451 4.7.1 Greylisted", to=PEOPLE[3])
    hands.deliver()
    return issue


def test_messages_and_replies_are_counted_by_what_became_of_them(engine, sent, hands):
    values = scrape(engine)
    assert {key[1:]: value for key, value in values.items() if key[0] == "digest_messages" and value} == {
        ("digest", "accepted"): 2,
        ("digest", "refused"): 1,
        ("digest", "queued"): 1,
    }
    assert values["digest_messages_accepted_total", "digest"] == len(hands.server.taken) == 2
    assert values["digest_messages_refused_total", "digest"] == 1
    assert values["digest_messages_accepted_total", "confirmation"] == 0
    assert {key[1:]: value for key, value in values.items() if key[0] == "digest_replies_total"} == {
        ("big.example", "2xx"): 1,
        ("big.example", "5xx"): 1,
        ("big.example", "4xx"): 1,
        ("other", "2xx"): 1,
    }


def test_what_is_due_has_an_age_and_a_finished_issue_a_duration(engine, sent, hands):
    values = scrape(engine, LATER)
    assert values["digest_messages_due",] == 1
    assert timedelta(minutes=50) < timedelta(seconds=values["digest_oldest_due_message_age_seconds",]) < LATER - SEVEN
    assert values["digest_issue_cut_timestamp_seconds", "daily"] == MORNING.timestamp()
    assert ("digest_issue_sending_seconds", "daily") not in values
    hands.at = SEVEN + timedelta(minutes=30)
    hands.deliver()
    with transaction(engine) as connection:
        totals.store_totals(connection, sent.issue_id)
    values = scrape(engine)
    assert values["digest_oldest_due_message_age_seconds",] == 0
    assert values["digest_issue_sending_seconds", "daily"] == timedelta(hours=1, minutes=30).total_seconds()


def test_subscribers_suppressions_and_problems_are_exported(engine, sent):
    values = scrape(engine)
    assert (values["digest_subscribers", "confirmed"], values["digest_subscribers", "pending"]) == (4, 0)
    assert (values["digest_suppressed_addresses", "refused"], values["digest_suppressed_addresses", "operator"]) == (
        1,
        0,
    )
    assert values["digest_problems", "no-worker", "critical"] == 1
    assert values["digest_processes", "worker", "alive"] == 0


@ON_SQLITE
def test_of_a_source_that_fails_the_last_success_is_exported(engine):
    with transaction(engine) as connection:
        for hours, outcome in ((3, SourceHealth.QUIET), (2, SourceHealth.FAILING), (1, SourceHealth.FAILING)):
            at = LATER - timedelta(hours=hours)
            record_run(connection, SourceRun("arxiv", DAY, at, outcome, 0, 0, (), ""))
    values = scrape(engine)
    assert values["digest_source_last_success_timestamp_seconds", "arxiv"] == (LATER - timedelta(hours=3)).timestamp()
    assert values["digest_source_failures", "arxiv"] == 2
    assert values["digest_source_outcome", "arxiv", "failing"] == 1


def test_counters_never_go_back_whatever_is_purged_counted_or_tried_again(engine, sent, hands):
    seen = counters(engine)

    def quarantine_and_retry(connection):
        transitions.retry(connection, LATER)
        transitions.retry_uncertain(connection, LATER)

    steps = [
        lambda connection: totals.store_totals(connection, sent.issue_id),
        lambda connection: erasing.erase(connection, *erased),
        lambda connection: erasing.purge_pending(connection, LATER + timedelta(days=400)),
        lambda connection: transitions.expire(connection, LATER + timedelta(days=2), timedelta(hours=18), 10),
        lambda connection: totals.store_totals(connection, sent.issue_id),
        quarantine_and_retry,
        lambda connection: name_destinations(connection, []),
        lambda connection: count_replies(connection, DAY, {("big.example", ReplyClass.ACCEPTED): 5}),
        lambda connection: name_destinations(connection, [("big.example", 3), ("small.example", 1)]),
        lambda connection: count_replies(
            connection, DAY + timedelta(days=1), {("big.example", ReplyClass.ACCEPTED): 5}
        ),
    ]
    with read_only(engine) as connection:
        (ada, *_others) = store.with_status(connection)
    erased = (ada.id, ada.key)
    for step in steps:
        with transaction(engine) as connection:
            step(connection)
        now = counters(engine)
        assert {key: value for key, value in now.items() if value < seen.get(key, 0)} == {}
        seen |= now
    assert seen["digest_messages_accepted_total", "digest"] == len(hands.server.taken)


@pytest.fixture
def two_engines(postgresql_url):
    """On an issue with one delivery."""
    engine, other = connect(postgresql_url), connect(postgresql_url)
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    yield engine, other, cut(engine).issue_id
    engine.dispose()
    other.dispose()


def before_statements(engine, is_meant, other, steps):
    """Do one of `steps` in a transaction of `other` before each statement that is meant."""

    def meanwhile(_connection, _cursor, statement, *_about):
        if steps and is_meant(statement):
            with transaction(other) as connection:
                steps.pop(0)(connection)

    event.listen(engine, "before_cursor_execute", meanwhile)


def test_an_issue_that_is_counted_once_more_meanwhile_is_neither_missed_nor_counted_twice(two_engines):
    engine, other, issue_id = two_engines
    with transaction(engine) as connection:
        change_deliveries(connection, state="accepted")
    week_later = LATER + timedelta(days=7)
    before = scrape(engine, week_later)
    steps = [lambda connection: totals.store_totals(connection, issue_id)]
    before_statements(engine, lambda statement: "SELECT issue_totals.issue_id" in statement, other, steps)
    assert scrape(engine, week_later)["digest_messages", "digest", "accepted"] == 1
    assert not steps
    assert before["digest_messages_accepted_total", "digest"] == 1


def test_a_message_that_returns_to_the_queue_meanwhile_does_not_look_accepted(two_engines):
    engine, other, _issue_id = two_engines
    with transaction(engine) as connection:
        (claim,) = sending.claim(connection, "one", 1, LATER)
    steps = [lambda connection: transitions.requeue(connection, [claim.id], LATER)]

    def counts_what_workers_hold(statement):
        return "GROUP BY deliveries.issue_id, deliveries.state" in statement and "FILTER" not in statement

    before_statements(engine, counts_what_workers_hold, other, steps)
    assert scrape(engine)["digest_messages_accepted_total", "digest"] == 0
    assert not steps


def test_sums_that_take_too_long_are_left_out_and_do_not_look_like_an_outage(postgresql_url):
    engine, other = connect(postgresql_url, patience=0.2), connect(postgresql_url)
    with transaction(other) as connection:
        connection.exec_driver_sql("LOCK TABLE suppressions")
        values = scrape(engine)
    assert values["digest_database_up",] == 1
    assert ("digest_problems", "database", "critical") not in values
    assert values["digest_subscribers", "confirmed"] == 0
    assert {key[0] for key in values} & {"digest_messages", "digest_messages_accepted_total"} == set()
    engine.dispose()
    other.dispose()


# --- replies ---


def stored(engine):
    with read_only(engine) as connection:
        return replies_to(connection)


def test_addresses_of_strangers_name_no_domain(engine):
    with transaction(engine) as connection:
        name_destinations(connection, [(f"{number}.example", 50) for number in range(30)])
        for number in range(100):
            count_replies(connection, DAY, {(f"{number}.example", ReplyClass.REFUSED): 1})
    assert len(stored(engine)) == 21
    assert stored(engine)["other", ReplyClass.REFUSED] == 80
    with read_only(engine) as connection:
        assert len(connection.execute(reply_counts.select()).all()) == 21


def test_the_largest_domains_are_those_of_confirmed_subscribers(engine):
    for number, domain in enumerate(["b.example"] * 3 + ["a.example"] * 3 + ["c.example"] * 4 + ["own.example"]):
        add_subscriber(engine, f"reader{number}@{domain}")
    for number in range(9):
        add_subscriber(engine, f"stranger{number}@flood.example", confirmed_at=None)
    with read_only(engine) as connection:
        assert growth.largest_domains(connection, 2, 2) == [("c.example", 4), ("a.example", 3)]
        assert len(growth.largest_domains(connection, 20, 2)) == 3

"""From a cut issue to receipts in the ledger, through a real mail server, on SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import update

from digest.database.engine import read_only, transaction
from digest.database.tables import subscribers as readers_table
from digest.issues.selection import IssueCache
from digest.issues.store import issue_by_id
from digest.ledger import listings, queueing
from digest.ledger.kinds import Kind
from digest.ledger.queueing import NewDelivery
from digest.mail.compose.composer import Composer
from digest.mail.delivery.journal import Journal
from digest.mail.delivery.worker import DeliveryWorker, WorkerSettings
from digest.mail.preview import preview_message
from digest.smtp import Sender
from digest.subscribers.store import set_unsubscribed
from digest.subscribers.suppressions import all_suppressions
from tests.mail.delivery.builders import SEVEN, opened, papers_in
from tests.mail.delivery.builders import hands as hands
from tests.smtp.scenario import relay_of
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, cut, desk
from tests.support.smtp_server import SmtpServer, Step
from tests.support.workers import Unlimited


def test_a_worker_that_ends_in_order_takes_leave_of_the_mail_server(engine, tmp_path):
    add_papers(engine, range(10))
    add_subscriber(engine, "ada@example.com")
    cut(engine)
    with SmtpServer() as server:
        journal = Journal(tmp_path / "journal", "one")
        issues, context = IssueCache(engine, desk().renderer.languages), desk()
        composer, sender = Composer(engine, context, journal.making, issues), Sender([relay_of(server)], 3)
        settings = WorkerSettings("one", hold=False, now=lambda: SEVEN)
        worker = DeliveryWorker(engine, sender, composer, Unlimited(), journal, settings)
        worker.deliver_due(10)
        worker.close()
        assert server.count("QUIT") == server.connections == 1


@pytest.mark.parametrize("address", ["ada@mailhost", "ada@localhost", "ada@mail.corp.local", "ada@home.arpa"])
def test_a_subscriber_in_the_operators_own_network_gets_the_issue(hands, engine, smtp_server, address):
    add_papers(engine, range(3))
    add_subscriber(engine, address)
    cut(engine)
    hands.deliver()
    assert [opened(message)["To"] for message in smtp_server.taken_for(address)] == [address]


def test_a_paper_that_is_listed_long_after_it_was_mailed_is_not_mailed_again(hands, engine, smtp_server):
    add_papers(engine, range(3), listed_at=None)
    add_subscriber(engine, "ada@example.com")
    cut(engine)
    hands.deliver()
    later = timedelta(days=12)
    listed = MORNING + later - timedelta(hours=2)
    add_papers(engine, range(5), seen_at=listed, listed_at=listed)
    cut(engine, DAY + later)
    hands.at = SEVEN + later
    hands.deliver()
    assert [papers_in(mail) for mail in smtp_server.taken_for("ada@example.com")] == [[0, 1, 2], [3, 4]]


def test_each_reader_gets_one_mail_with_their_own_list(hands, engine, smtp_server):
    add_papers(engine, range(30))
    add_papers(engine, range(30, 33), categories=("cs.SD",))
    add_subscriber(engine, "ada@example.com", papers=5)
    add_subscriber(engine, "ben@example.com", papers=3, topics=("speech",))
    issue = cut(engine)
    hands.deliver()
    (ada,), (ben,) = (smtp_server.taken_for(f"{name}@example.com") for name in ("ada", "ben"))
    assert papers_in(ada) == [0, 1, 2, 3, 4]
    assert papers_in(ben) == [0, 30, 31]  # what they follow, and one from outside of it
    assert (ada.mail_from, ada.rcpt_tos, opened(ada)["To"]) == (
        "bounces@example.org",
        ("ada@example.com",),
        "ada@example.com",
    )
    assert (hands.audit(issue).accepted, hands.audit(issue).unexplained) == (2, 0)


def test_readers_of_two_languages_get_one_issue_each_in_theirs(hands, engine, smtp_server):
    add_papers(engine, range(9))
    for name, code in (("ada", ""), ("ben", "zh-CN"), ("eve", "en")):
        add_subscriber(engine, f"{name}@example.com", papers=3, keywords=("paper number 7",), language=code)
    cut(engine)
    hands.deliver()
    texts = {
        name: opened(smtp_server.taken_for(f"{name}@example.com")[0]).get_body(("plain",)).get_content()
        for name in ("ada", "ben", "eve")
    }
    assert all("Matches your keyword “paper number 7”" in texts[name] for name in ("ada", "eve"))
    assert "日榜第 8" in texts["ben"]
    assert "匹配关键词“paper number 7”" in texts["ben"]
    assert "来自您的关注范围之外" in texts["ben"]


@pytest.mark.parametrize("language", ["", "zh-CN"])
def test_a_preview_is_the_bytes_that_are_sent(hands, engine, smtp_server, language):
    add_papers(engine, range(30))
    ada = add_subscriber(engine, "ada@example.com", papers=5, keywords=("paper number 7",), language=language)
    issue_id = cut(engine).issue_id
    with read_only(engine) as connection:
        issue = issue_by_id(connection, issue_id)
    before = preview_message(engine, desk(), issue, ada, MORNING)
    hands.deliver()
    after = preview_message(engine, desk(), issue, ada, SEVEN)
    assert before == after == smtp_server.taken[0].content


def test_what_was_accepted_never_goes_again(hands, engine, smtp_server):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    cut(engine)
    hands.deliver()
    assert hands.deliver().handled == 0
    assert len(smtp_server.taken) == 1


def test_the_next_issue_holds_no_paper_of_the_last_one(hands, engine, smtp_server):
    add_papers(engine, range(15))
    add_subscriber(engine, "ada@example.com", papers=10)
    cut(engine)
    hands.deliver()
    tomorrow = DAY + timedelta(days=1)
    cut(engine, tomorrow)
    hands.at += timedelta(days=1)
    hands.deliver()
    first, second = smtp_server.taken
    assert papers_in(first) == list(range(10))
    assert papers_in(second) == list(range(10, 15))


def test_a_reader_who_got_everything_is_skipped_by_name(hands, engine, smtp_server):
    add_papers(engine, range(5))
    add_subscriber(engine, "ada@example.com")
    cut(engine)
    hands.deliver()
    issue = cut(engine, DAY + timedelta(days=1))
    hands.at += timedelta(days=1)
    hands.deliver()
    assert hands.audit(issue).skipped == {"nothing new": 1}
    assert len(smtp_server.taken) == 1


def test_two_mails_that_are_due_at_once_share_no_paper(hands, engine, smtp_server):
    add_papers(engine, range(20))
    add_subscriber(engine, "ada@example.com", papers=10)
    cut(engine)
    cut(engine, DAY + timedelta(days=1))
    hands.at += timedelta(days=1)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(hands.deliver, ["one", "two"]))
    hands.at += timedelta(minutes=1)  # if each saw the other choose, both are due again
    hands.deliver()
    first, second = (papers_in(taken) for taken in smtp_server.taken)
    assert len(first) == len(second) == 10
    assert not set(first) & set(second)


def test_several_workers_send_each_mail_once(hands, engine, smtp_server):
    add_papers(engine, range(12))
    for number in range(60):
        add_subscriber(engine, f"reader{number}@example.com")
    issue = cut(engine)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(hands.deliver, ["one", "two", "three"]))
    assert sorted(taken.rcpt_tos[0] for taken in smtp_server.taken) == sorted(
        f"reader{number}@example.com" for number in range(60)
    )
    assert hands.audit(issue).accepted == 60


def test_a_deferred_mail_comes_back_when_its_time_has_come(hands, engine, smtp_server):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    smtp_server.answer(Step.RCPT, "451 4.7.1 greylisted", to="ada@example.com")
    hands.deliver()
    assert hands.audit(issue).deferred == 1
    hands.at += timedelta(minutes=4)
    assert hands.deliver().handled == 0
    hands.at += timedelta(minutes=2)
    hands.deliver()
    assert hands.audit(issue).accepted == 1
    assert len(smtp_server.taken) == 1


def test_an_address_that_does_not_exist_is_suppressed_and_no_other(hands, engine, smtp_server):
    add_papers(engine, range(3))
    gone = add_subscriber(engine, "gone@example.com")
    add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    smtp_server.always(Step.RCPT, "550 5.1.1 no such user", to="gone@example.com")
    hands.deliver()
    with read_only(engine) as connection:
        assert [one.key for one in all_suppressions(connection)] == [gone.key]
    assert (hands.audit(issue).refused, hands.audit(issue).accepted) == (1, 1)
    tomorrow = cut(engine, DAY + timedelta(days=1))
    assert tomorrow.candidates == 1


def test_a_refusal_of_us_suppresses_nobody_and_loses_nothing(hands, engine, smtp_server):
    add_papers(engine, range(3))
    for number in range(5):
        add_subscriber(engine, f"reader{number}@example.com")
    issue = cut(engine)
    smtp_server.always(Step.END, "550 5.7.26 <reader0@example.com>: unauthenticated mail is not accepted")
    hands.deliver()
    with read_only(engine) as connection:
        assert all_suppressions(connection) == []
    assert hands.audit(issue).queued == 5
    smtp_server.behave()
    hands.at += timedelta(minutes=2)
    hands.deliver()
    assert hands.audit(issue).accepted == 5


def test_without_a_mail_server_everything_waits(hands, engine, smtp_server):
    add_papers(engine, range(3))
    add_subscriber(engine, "ada@example.com")
    issue = cut(engine)
    smtp_server.stop()
    hands.deliver()
    assert hands.audit(issue).queued == 1
    smtp_server.start()
    hands.at += timedelta(minutes=2)
    hands.deliver()
    assert hands.audit(issue).accepted == 1


def test_a_mail_that_cannot_be_made_is_set_apart_and_stops_no_other(hands, engine, smtp_server):
    add_papers(engine, range(3))
    bad = add_subscriber(engine, "bad@example.com")
    add_subscriber(engine, "ada@example.com")
    with transaction(engine) as connection:
        spoilt = update(readers_table).where(readers_table.c.id == bad.id)
        connection.execute(spoilt.values(email="bad@example.com> SIZE=1"))
    issue = cut(engine)
    hands.deliver()
    assert (hands.audit(issue).quarantined, hands.audit(issue).accepted) == (1, 1)
    assert [taken.rcpt_tos for taken in smtp_server.taken] == [("ada@example.com",)]


@pytest.mark.parametrize("kind", [Kind.CONFIRMATION, Kind.ALREADY, Kind.LINK, Kind.GOODBYE])
def test_every_other_mail_goes_the_same_way(hands, engine, smtp_server, kind):
    subscriber = add_subscriber(engine, "ada@example.com", confirmed_at=None if kind is Kind.CONFIRMATION else SEVEN)
    with transaction(engine) as connection:
        if kind is Kind.GOODBYE:
            set_unsubscribed(connection, subscriber.id, SEVEN)
        queueing.queue_delivery(connection, NewDelivery(kind, DAY, subscriber.key, subscriber.id, SEVEN), SEVEN)
    hands.deliver()
    (taken,) = smtp_server.taken
    assert opened(taken)["From"] == "Daily Papers <hello@example.org>"
    path = "/confirm/" if kind is Kind.CONFIRMATION else "/preferences/"
    assert f"https://papers.example.org{path}" in opened(taken).get_body(("plain",)).get_content()
    with read_only(engine) as connection:
        assert listings.count_accepted(connection, kind) == 1

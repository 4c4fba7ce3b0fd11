"""A notice to all subscribers: written, checked, sent once, and delivered like an issue."""

import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select, update

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, subscribers
from digest.issues.audit import audit
from digest.issues.issue import NoticeText
from digest.issues.publish import halt
from digest.issues.selection.history import papers_by_rank
from digest.issues.store import issue_id_on, issue_on
from digest.ledger import events, sending
from digest.ledger.kinds import IssueKind, IssueStatus, SkipReason, SuppressionReason
from digest.ledger.received import already_sent
from digest.lint import lint
from digest.mail.delivery.recovery import recover
from digest.mail.notices import (
    BadNotice,
    NoticeState,
    SentLately,
    add_notice,
    as_issue,
    checked,
    count_recipients,
    notice_of,
    queue_next,
    send_notice,
    take_back,
)
from digest.mail.preview import body_of, preview_message
from digest.subscribers.suppressions import suppress
from tests.mail.delivery.builders import SEVEN, hands, opened, papers_in
from tests.support.scenario import DAY, ON_SQLITE, PLAN, add_papers, add_subscriber, cut, desk
from tests.support.smtp_server import KEEP_AND_HANG_UP, Act, Step
from tests.support.waiting import wait_for

__all__ = ["hands"]  # a fixture

TEXTS = {
    "en": NoticeText("We move on Monday", "The address changes.\n\nRead https://papers.example.org/moving, please."),
    "zh-CN": NoticeText("我们周一搬家", "网址会改变。"),
}
A_DAY = timedelta(days=1)
# A worker with a single connection, in a process that a test kills.
WORKER = """
import sys
from pathlib import Path
from digest.database.engine import connect
from digest.issues.selection import IssueCache
from digest.mail.compose.composer import Composer
from digest.mail.delivery.journal import Journal
from digest.mail.delivery.worker import DeliveryWorker, WorkerSettings
from digest.smtp import Relay, Security, Sender
from tests.mail.delivery.builders import SEVEN
from tests.support.scenario import LANGUAGES, desk
from tests.support.workers import Unlimited
url, port, folder = sys.argv[1:]
engine, journal = connect(url), Journal(Path(folder), "first")
sender = Sender([Relay("127.0.0.1", int(port), Security.NONE)], 1, observer=journal)
composer = Composer(engine, desk(), journal.making, IssueCache(engine, LANGUAGES))
settings = WorkerSettings("first", False, lambda: SEVEN)
DeliveryWorker(engine, sender, composer, Unlimited(), journal, settings).deliver_due(10_000)
"""


def written(engine, texts=TEXTS, now=SEVEN):
    with events.acting("ada", "shell"), transaction(engine) as connection:
        return add_notice(connection, texts, now)


def sent(engine, texts=TEXTS, now=SEVEN, again=False):
    number = written(engine, texts, now)
    with transaction(engine) as connection:
        assert send_notice(connection, number, now, again)
    return number


def queued(engine, texts=TEXTS, now=SEVEN):
    """The number of subscribers of a notice that is sent and queued."""
    sent(engine, texts, now)
    return queue_next(engine, PLAN.settings, now)


def sums_of(engine, day=DAY):
    with read_only(engine) as connection:
        return audit(connection, issue_id_on(connection, IssueKind.NOTICE, day))


def recipients_of(server):
    return Counter(address for taken in server.taken for address in taken.rcpt_tos)


def test_a_notice_reaches_each_of_200_subscribers_though_the_first_worker_is_killed_midway(
    hands, engine, database_url, smtp_server, tmp_path
):
    people = [f"subscriber{number}@example.com" for number in range(200)]
    for address in people:
        add_subscriber(engine, address)
    assert queued(engine) == 200
    smtp_server.answer(Step.RCPT, Act(wait=600), to=people[120])
    folder = tmp_path / "journal"
    command = [sys.executable, "-c", WORKER, database_url, str(smtp_server.port), str(folder)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as worker:
        wait_for(lambda: any(people[120] in line for line in smtp_server.commands), 60, "the middle of the list")
        worker.send_signal(signal.SIGKILL)
    before = len(smtp_server.taken)
    assert 0 < before < 200
    smtp_server.behave()
    recover(engine, folder, hold=False, now=SEVEN)
    hands.at = SEVEN + timedelta(hours=2)
    hands.deliver("second")
    extra = recipients_of(smtp_server)
    extra.subtract(people)
    # The one message that was on the wire of its connection may go once more, as the same bytes.
    assert (min(extra.values()), extra.total() in (0, 1)) == (0, True)
    sums = sums_of(engine)
    assert (sums.accepted, sums.candidates, sums.unexplained) == (200, 200, 0)
    with read_only(engine) as connection:
        issue = issue_on(connection, IssueKind.NOTICE, DAY)
    assert issue.status is IssueStatus.RUNNING


def test_each_gets_it_in_their_language_with_the_headers_and_links_of_an_issue(hands, engine, smtp_server):
    for address, language in (("ada@example.com", "en"), ("li@example.com", "zh-CN"), ("bob@example.com", "")):
        add_subscriber(engine, address, language=language)
    queued(engine)
    hands.deliver()
    messages = {address: opened(smtp_server.taken_for(address)[0]) for address in recipients_of(smtp_server)}
    subjects = {address: message["Subject"] for address, message in messages.items()}
    assert subjects == {
        "ada@example.com": "We move on Monday, 4 Mar",
        "bob@example.com": "We move on Monday, 4 Mar",
        "li@example.com": "我们周一搬家，3月4日",
    }
    for message in messages.values():
        assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert message["List-Id"] is not None
        link = message["List-Unsubscribe"].strip("<>")
        assert all(link in message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert (
        '<a href="https://papers.example.org/moving"' in messages["ada@example.com"].get_body(("html",)).get_content()
    )


def test_it_goes_to_all_who_are_confirmed_whatever_their_weekdays_unless_paused_or_suppressed(
    hands, engine, smtp_server
):
    add_subscriber(engine, "daily@example.com")
    add_subscriber(engine, "sundays@example.com", weekdays=frozenset({6}))
    add_subscriber(engine, "weekly@example.com", frequency="weekly")
    add_subscriber(engine, "night@example.com", zone="Asia/Tokyo", hour=3)
    add_subscriber(engine, "back@example.com", paused_until=DAY)
    add_subscriber(engine, "pending@example.com", confirmed_at=None)
    add_subscriber(engine, "away@example.com", paused_until=DAY + A_DAY)
    gone = add_subscriber(engine, "gone@example.com")
    with transaction(engine) as connection:
        suppress(connection, gone.key, SuppressionReason.REFUSED, "550", SEVEN)
        counted, left_out = count_recipients(connection, SEVEN)
    assert queued(engine) == counted == 5
    assert left_out == {SkipReason.PAUSED: 1, SkipReason.SUPPRESSED: 1}
    leaving, pausing = (add_subscriber(engine, f"{name}@example.com") for name in ("late", "later"))
    hands.deliver()
    assert {address.partition("@")[0] for address in recipients_of(smtp_server)} == {
        "daily", "sundays", "weekly", "night", "back",
    }  # fmt: skip
    assert dict(sums_of(engine).not_queued) == left_out
    assert leaving.id != pausing.id  # who came after it was queued gets nothing


@pytest.mark.parametrize("change", [{"status": "unsubscribed"}, {"paused_until": DAY + A_DAY}])
@ON_SQLITE
def test_who_leaves_or_pauses_after_it_was_queued_does_not_get_it(hands, engine, smtp_server, change):
    ada = add_subscriber(engine, "ada@example.com")
    queued(engine)
    with transaction(engine) as connection:
        connection.execute(update(subscribers).where(subscribers.c.id == ada.id).values(**change))
    hands.deliver()
    assert smtp_server.taken == []


@ON_SQLITE
def test_a_retry_after_doubt_is_the_same_bytes_even_if_the_subscriber_has_changed_language(hands, engine, smtp_server):
    ada = add_subscriber(engine, "ada@example.com", language="en")
    queued(engine)
    smtp_server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.deliver()
    with transaction(engine) as connection:
        connection.execute(update(subscribers).where(subscribers.c.id == ada.id).values(language="zh-CN"))
    hands.at = SEVEN + timedelta(hours=2)
    hands.deliver()
    first, again = smtp_server.taken
    assert first.content == again.content


def test_sending_twice_at_once_sends_one_notice(engine):
    add_subscriber(engine, "ada@example.com")
    number, results = written(engine), []

    def click():
        with transaction(engine) as connection:
            results.append(send_notice(connection, number, SEVEN))

    clicks = [threading.Thread(target=click) for _ in range(4)]
    for each in clicks:
        each.start()
    for each in clicks:
        each.join()
    assert sorted(results) == [False, False, False, True]
    assert [queue_next(engine, PLAN.settings, SEVEN) for _ in range(3)] == [1, None, None]
    with read_only(engine) as connection:
        assert connection.execute(select(deliveries.c.kind)).scalars().all() == ["notice"]


@ON_SQLITE
def test_the_same_notice_within_a_day_needs_a_second_word(engine):
    add_subscriber(engine, "ada@example.com")
    queued(engine)
    soon, later = SEVEN + A_DAY - timedelta(minutes=1), SEVEN + A_DAY + timedelta(minutes=1)
    with pytest.raises(SentLately):
        sent(engine, now=soon)
    sent(engine, now=soon, again=True)
    changed = {"en": replace(TEXTS["en"], subject="We move on Tuesday")}
    sent(engine, changed, SEVEN + timedelta(hours=1))
    with pytest.raises(SentLately):
        sent(engine, now=later)  # the second one was within the day
    sent(engine, now=soon + 2 * A_DAY)


@ON_SQLITE
def test_a_date_has_one_notice_and_the_next_waits_for_the_next_date(engine):
    add_subscriber(engine, "ada@example.com")
    queued(engine)
    number = sent(engine, {"en": NoticeText("Another", "Text.")})
    assert queue_next(engine, PLAN.settings, SEVEN + timedelta(hours=16)) is None
    assert queue_next(engine, PLAN.settings, SEVEN + A_DAY) == 1
    with read_only(engine) as connection:
        assert notice_of(connection, number).date == DAY + A_DAY


@ON_SQLITE
def test_it_is_taken_back_before_it_is_queued_and_cancelled_after(hands, engine, smtp_server):
    add_subscriber(engine, "ada@example.com")
    number = sent(engine)
    with transaction(engine) as connection:
        assert take_back(connection, number, SEVEN)
        assert notice_of(connection, number).state is NoticeState.DRAFT
    assert queue_next(engine, PLAN.settings, SEVEN) is None
    with transaction(engine) as connection:
        assert send_notice(connection, number, SEVEN)
    queue_next(engine, PLAN.settings, SEVEN)
    with transaction(engine) as connection:
        assert not take_back(connection, number, SEVEN)
    assert halt(engine, DAY, IssueStatus.CANCELLED, SEVEN, IssueKind.NOTICE)
    hands.deliver()
    assert smtp_server.taken == []
    assert sums_of(engine).skipped == {SkipReason.CANCELLED: 1}


def test_what_goes_wrong_while_it_is_queued_leaves_nothing_and_the_next_call_does_it(engine, monkeypatch):
    for number in range(3):
        add_subscriber(engine, f"subscriber{number}@example.com")
    sent(engine)

    def dies(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("digest.mail.notices.set_candidates", dies)  # after the deliveries, before the end
        with pytest.raises(KeyboardInterrupt):
            queue_next(engine, PLAN.settings, SEVEN)
    with read_only(engine) as connection:
        assert connection.execute(select(deliveries.c.id)).all() == []
    assert queue_next(engine, PLAN.settings, SEVEN) == 3


@ON_SQLITE
def test_issues_do_not_take_a_notice_for_one_of_theirs(hands, engine, smtp_server):
    """Neither as a message with papers, nor as the issue of its date, nor as one of a subscriber's first emails."""
    add_subscriber(engine, "ada@example.com")
    queued(engine)
    hands.deliver()
    add_papers(engine, range(3))
    with transaction(engine) as connection:
        late = update(deliveries).values(state="queued", due_at=SEVEN - A_DAY, finished_at=None)
        connection.execute(late)
        assert sending.claim(connection, "one", 5, SEVEN, day_began=SEVEN - timedelta(hours=7)) == []
        connection.execute(update(deliveries).values(state="accepted", finished_at=SEVEN))
    cut(engine)
    hands.at = SEVEN + timedelta(hours=4)
    hands.deliver()
    issue = smtp_server.taken[-1]
    assert papers_in(issue) == [0, 1, 2]
    assert "This is your first issue" in opened(issue).get_body(("plain",)).get_content()


@ON_SQLITE
def test_todays_notice_does_not_hold_up_an_issue_of_the_same_subscriber(engine):
    """While one worker composes the notice, another may choose the papers of an issue."""
    add_subscriber(engine, "ada@example.com")
    queued(engine)
    add_papers(engine, range(3))
    cut(engine)
    with transaction(engine) as connection:
        (notice, issue) = sorted(sending.claim(connection, "one", 5, SEVEN + A_DAY), key=lambda each: each.id)
        connection.execute(update(deliveries).where(deliveries.c.id == issue.id).values(worker="two"))

        sent = already_sent(connection, [issue], "two", date(2026, 1, 1), partial(papers_by_rank, connection))
        assert not sent[issue.recipient].being_chosen
    assert (notice.kind, issue.kind) == ("notice", "digest")


HOSTILE = '<script>alert(1)</script> & \u202eevil\u2066 \ufdd0cards\ufdd1 %(title)s {{ 1 }}\x00\n.dot\n\nFrom me https://e.org/a?b=c&d="x'


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@ON_SQLITE
def test_no_text_becomes_markup_or_a_header(engine, language):
    subject = "Hi\r\nBcc: eve@example.org <b>%s</b> \ufdd0title\ufdd1"
    issue = as_issue(checked({"en": (subject, HOSTILE)}), PLAN.settings, SEVEN)
    message = preview_message(engine, desk(), issue, None, SEVEN, language)
    assert b"\nBcc:" not in message
    html, text = body_of(message, "html"), body_of(message, "text")
    assert "<script" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;" in html
    assert "{{ 1 }}" in text
    assert "%(title)s" in text
    assert "\n.dot" in text
    assert 'href="https://e.org/a?b=c&amp;d="' in html
    assert not {"\u202e", "\u2066", "\ufdd0", "\x00"} & {*html, *text}


@pytest.mark.parametrize("language", ["en", "zh-CN"])
@ON_SQLITE
def test_a_notice_breaks_no_rule_of_lint(engine, language):
    issue = as_issue(TEXTS, PLAN.settings, SEVEN)
    assert lint(preview_message(engine, desk(), issue, None, SEVEN, language)).problems == {}


@pytest.mark.parametrize(
    "texts",
    [{}, {"en": ("", "")}, {"en": ("Subject", " \n ")}, {"en": ("", "Text")}, {"en": ("x" * 151, "Text")}],
)
def test_a_notice_without_a_subject_or_a_text_is_not_kept(texts):
    with pytest.raises(BadNotice):
        checked(texts)

"""One message a week with its own ranking, one after a pause, and never a paper twice in any of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from digest.database.engine import read_only
from digest.issues import first_issue
from digest.issues.audit import audit, audit_all
from digest.issues.publish import halt
from digest.issues.store import issue_on
from digest.ledger.deliveries import find
from digest.ledger.kinds import IssueKind, IssueStatus, Kind
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import Frequency
from tests.mail.delivery.builders import hands, opened, papers_in
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, cut

__all__ = ["hands"]  # a fixture

A_DAY = timedelta(days=1)
WEDNESDAYS = {"frequency": Frequency.WEEKLY, "weekdays": frozenset({DAY.weekday()})}


def kinds_for(engine, subscriber, day=DAY):
    with read_only(engine) as connection:
        return [
            kind for kind in (Kind.DIGEST, Kind.WEEKLY, Kind.CATCH_UP) if find(connection, kind, day, subscriber.key)
        ]


def stored(engine, kind, day=DAY):
    with read_only(engine) as connection:
        return issue_on(connection, kind, day)


def live(hands, engine, first, days):
    """Add five papers a day, cut an issue and deliver it."""
    for number in range(days):
        day = first + number * A_DAY
        at = MORNING + (day - DAY)
        add_papers(engine, range(5 * number, 5 * number + 5), seen_at=at - timedelta(hours=1))
        cut(engine, day)
        hands.at = at + timedelta(hours=1)
        hands.deliver()


# --- weekly ---


def test_a_weekly_issue_is_cut_on_the_days_of_weekly_subscribers_and_ranks_the_whole_week(engine):
    add_papers(engine, range(3), seen_at=MORNING - 6 * A_DAY)
    add_papers(engine, range(3, 6), seen_at=MORNING - 8 * A_DAY, listed_at=MORNING - 8 * A_DAY)
    add_papers(engine, range(6, 9))
    weekly, daily = add_subscriber(engine, "ada@example.com", **WEDNESDAYS), add_subscriber(engine, "ben@example.com")
    done = cut(engine)
    assert (done.candidates, dict(done.also)) == (1, {"weekly": 1})
    assert (kinds_for(engine, weekly), kinds_for(engine, daily)) == ([Kind.WEEKLY], [Kind.DIGEST])
    issue = stored(engine, IssueKind.WEEKLY)
    assert {ranked.paper.id for ranked in issue.papers} == {f"2603.{number:05}" for number in (0, 1, 2, 6, 7, 8)}
    cut(engine, DAY + A_DAY)
    assert stored(engine, IssueKind.WEEKLY, DAY + A_DAY) is None
    assert kinds_for(engine, weekly, DAY + A_DAY) == []


def test_a_weekly_mail_says_so_and_holds_the_best_of_the_week(hands, engine, smtp_server):
    add_subscriber(engine, "ada@example.com", papers=8, **WEDNESDAYS)
    live(hands, engine, DAY - 6 * A_DAY, 7)
    (mail,) = smtp_server.taken_for("ada@example.com")
    message = opened(mail)
    assert message["Subject"].startswith("This week: Paper number ")
    assert message["List-Unsubscribe"]
    assert message["Precedence"] == "bulk"
    assert f"2026-03-04/{IssueKind.WEEKLY}" in message.get_body(("html",)).get_content()
    assert "in this week’s ranking" in message.get_body(("plain",)).get_content()
    assert len(papers_in(mail)) == 8


def test_changing_from_daily_to_weekly_and_back_brings_no_paper_twice(hands, engine, smtp_server):
    subscriber = add_subscriber(engine, "ada@example.com", papers=4)
    for number in range(15):
        day = DAY + (number - 14) * A_DAY
        add_papers(engine, range(8 * number, 8 * number + 8), seen_at=MORNING + (day - DAY) - timedelta(hours=1))
        if number in (4, 10):
            wants = {"papers": 4} | (WEDNESDAYS if number == 4 else {})
            subscriptions.change_preferences(engine, subscriber.id, type(subscriber.preferences)(**wants), hands.at)
        cut(engine, day)
        hands.at = MORNING + (day - DAY) + timedelta(hours=1)
        hands.deliver()
    lists = [papers_in(mail) for mail in smtp_server.taken_for("ada@example.com")]
    assert [len(papers) for papers in lists] == [4] * (4 + 1 + 5)
    received = [paper for papers in lists for paper in papers]
    assert len(set(received)) == len(received)


def test_a_weekly_issue_is_paused_resumed_cancelled_and_audited_by_its_kind(hands, engine, smtp_server):
    add_papers(engine, range(5))
    add_subscriber(engine, "ada@example.com", **WEDNESDAYS)
    add_subscriber(engine, "ben@example.com")
    cut(engine)
    assert halt(engine, DAY, IssueStatus.PAUSED, MORNING, IssueKind.WEEKLY)
    hands.deliver()
    assert [mail.rcpt_tos for mail in smtp_server.taken] == [("ben@example.com",)]
    assert halt(engine, DAY, IssueStatus.RUNNING, MORNING, IssueKind.WEEKLY)
    hands.deliver()
    assert len(smtp_server.taken) == 2
    with read_only(engine) as connection:
        audits = {sums.issue: sums for sums in audit_all(connection)}
        assert audit(connection, stored(engine, IssueKind.WEEKLY).id) == audits["2026-03-04 weekly"]
    assert {(sums.candidates, sums.accepted, sums.unexplained) for sums in audits.values()} == {(1, 1, 0)}


def test_a_weekly_subscriber_who_confirms_gets_the_newest_weekly_issue_and_before_there_is_one_the_days(engine):
    add_papers(engine, range(5))
    first = add_subscriber(engine, "first@example.com", confirmed_at=None, **WEDNESDAYS)
    cut(engine)
    first_issue.confirm(engine, first.id, "", MORNING)
    assert kinds_for(engine, first) == [Kind.DIGEST]
    add_papers(engine, range(5, 10), seen_at=MORNING + 6 * A_DAY)
    add_subscriber(engine, "other@example.com", **WEDNESDAYS)
    cut(engine, DAY + 7 * A_DAY)
    second = add_subscriber(engine, "second@example.com", confirmed_at=None, **WEDNESDAYS)
    first_issue.confirm(engine, second.id, "", MORNING + 9 * A_DAY)
    assert kinds_for(engine, second, DAY + 7 * A_DAY) == [Kind.WEEKLY]


# --- after a pause ---


def pause(engine, subscriber, until, now):
    subscriptions.change_preferences(engine, subscriber.id, replace(subscriber.preferences, paused_until=until), now)


@pytest.mark.parametrize(("days", "by_hand"), [(7, False), (7, True), (2, False), (2, True)])
def test_after_a_pause_one_message_has_the_best_of_the_missed_papers(hands, engine, smtp_server, days, by_hand):
    ada, ben = add_subscriber(engine, "ada@example.com", papers=4), add_subscriber(engine, "ben@example.com", papers=4)
    first = DAY - (days + 1) * A_DAY
    live(hands, engine, first, 1)
    last = papers_in(smtp_server.taken_for("ada@example.com")[0])
    pause(engine, ada, DAY + 20 * A_DAY if by_hand else DAY, hands.at)
    for number in range(1, days + 2):
        day = first + number * A_DAY
        add_papers(engine, range(10 * number, 10 * number + 10), seen_at=MORNING + (day - DAY) - timedelta(hours=1))
        if by_hand and day == DAY:
            pause(engine, ada, None, MORNING - timedelta(hours=2))
        done = cut(engine, day)
        hands.at = MORNING + (day - DAY) + timedelta(hours=1)
        hands.deliver()
    kind = Kind.CATCH_UP if days > 2 else Kind.DIGEST
    assert (kinds_for(engine, ada), kinds_for(engine, ben)) == ([kind], [Kind.DIGEST])
    assert dict(done.also) == ({"catch-up": 1} if days > 2 else {})
    assert done.candidates == (1 if days > 2 else 2)
    mails = smtp_server.taken_for("ada@example.com")
    assert len(mails) == 2
    assert len(papers_in(mails[1])) == (6 if days > 2 else 4)
    assert not set(last) & set(papers_in(mails[1]))
    cut(engine, DAY + A_DAY)
    assert kinds_for(engine, ada, DAY + A_DAY) == [Kind.DIGEST]


def test_papers_of_no_missed_issue_are_not_in_a_catch_up(hands, engine, smtp_server):
    subscriber = add_subscriber(engine, "ada@example.com", papers=25)
    add_papers(engine, range(5), seen_at=MORNING - 16 * A_DAY, listed_at=MORNING - 16 * A_DAY)
    add_papers(engine, range(35, 36), seen_at=MORNING - 4 * A_DAY)
    add_papers(engine, range(5, 35), seen_at=MORNING - 9 * A_DAY, listed_at=MORNING - 9 * A_DAY)
    cut(engine, DAY - 9 * A_DAY)
    hands.at = MORNING - 9 * A_DAY + timedelta(hours=1)
    hands.deliver()
    pause(engine, subscriber, DAY, hands.at)
    for number in (3, 2, 1, 0):
        cut(engine, DAY - number * A_DAY)
    hands.at = MORNING + timedelta(hours=1)
    hands.deliver()
    first, second = (set(papers_in(mail)) for mail in smtp_server.taken_for("ada@example.com"))
    assert second == set(range(5, 36)) - first


def test_a_weekly_subscriber_comes_back_to_a_catch_up_only_after_a_week_missed(hands, engine):
    long = add_subscriber(engine, "long@example.com", **WEDNESDAYS)
    short = add_subscriber(engine, "short@example.com", **WEDNESDAYS)
    for week, day in enumerate((DAY - 14 * A_DAY, DAY - 7 * A_DAY, DAY)):
        if week == 1:
            pause(engine, long, DAY - A_DAY, MORNING - 8 * A_DAY)
        if week == 2:
            pause(engine, short, DAY - A_DAY, MORNING - 5 * A_DAY)
            add_papers(engine, range(50, 51), seen_at=MORNING - 4 * A_DAY)
            for number in (3, 2, 1):
                cut(engine, DAY - number * A_DAY)
        add_papers(engine, range(10 * week, 10 * week + 10), seen_at=MORNING + (day - DAY) - timedelta(hours=1))
        cut(engine, day)
        hands.at = MORNING + (day - DAY) + timedelta(hours=1)
        hands.deliver()
    assert (kinds_for(engine, long), kinds_for(engine, short)) == ([Kind.CATCH_UP], [Kind.WEEKLY])

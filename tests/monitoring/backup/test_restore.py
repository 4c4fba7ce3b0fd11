"""After a restore, no message is sent twice or to people who left meanwhile, by the mail server's log."""

import shutil
from datetime import timedelta

import pytest

from digest.database.engine import read_only
from digest.issues.audit import audit
from digest.issues.publish import publish
from digest.ledger import events
from digest.mail.pauses import EVERYTHING, NotSettled, resume
from digest.settings import settings
from digest.subscribers import store, subscriptions
from digest.subscribers.address_change.change import Side
from digest.subscribers.address_change.confirming import confirm_change
from digest.subscribers.suppressions import suppress_by_hand
from tests.mail.delivery.builders import SEVEN
from tests.subscribers.address_change.builders import ask
from tests.support.scenario import DAY, PLAN, add_papers, cut

TOMORROW = SEVEN + timedelta(days=1)
LEAVERS = [f"reader{number}@example.com" for number in (37, 38, 39)]


def leave(installation, people):
    """Let one person unsubscribe, delete one and suppress one, each with a message that waits or was sent."""
    unsubscribed, deleted, suppressed = (people[address] for address in LEAVERS)
    subscriptions.unsubscribe(installation.engine, unsubscribed.id, installation.at, "test")
    subscriptions.erase(installation.engine, deleted.id, installation.at)
    suppress_by_hand(installation.engine, suppressed.key, "", installation.at)


def publish_and_deliver(installation, now):
    installation.move_to(now)
    add_papers(installation.engine, range(50, 60), seen_at=now - timedelta(hours=2), listed_at=now - timedelta(hours=8))
    publish(installation.engine, PLAN, now.date(), now)
    installation.deliver()


def test_an_issue_that_continued_after_the_backup_is_sent_once(installation, people):
    issue = cut(installation.engine)
    installation.deliver(5)
    installation.backup()
    before = installation.mailed.total()
    installation.deliver(5)
    leave(installation, people)
    sent = set(installation.mailed)
    assert before < len(sent) < 37
    restored = installation.restore()
    assert (restored["uncovered"], restored["sent"]) == ("", len(sent) - before)
    assert (restored["unsubscribed"], restored["deleted"], restored["suppressed"]) == (1, 1, 1)
    installation.deliver()
    assert installation.mailed.total() == len(sent)  # paused
    waiting = installation.run("settle", "--dry-run")["waiting"]
    assert [(each["issue"], each["doubtful"]) for each in waiting] == [(str(DAY), 0)]
    assert waiting[0]["unsent"] >= 37 - len(sent)
    installation.run("settle", "--send", "--yes")
    installation.deliver()
    assert set(installation.mailed.values()) == {1}
    assert set(installation.mailed) == sent | (people.keys() - set(LEAVERS))
    with read_only(installation.engine) as connection:
        sums = audit(connection, issue.issue_id)
    assert sums.skipped["may have been sent before a restore"] == len(sent) - before
    assert sums.unexplained == 0
    sent = installation.mailed
    publish_and_deliver(installation, TOMORROW)
    assert set(installation.mailed - sent) == people.keys() - set(LEAVERS)


def test_an_issue_that_was_cut_after_the_backup_goes_to_those_who_did_not_get_it(installation, people):
    installation.backup()
    cut(installation.engine)
    installation.deliver(5)
    leave(installation, people)
    sent = set(installation.mailed)
    assert 0 < len(sent) < 37
    assert installation.restore()["lost_issues"] == [str(DAY)]
    again = cut(installation.engine)
    assert again.created
    installation.deliver()
    assert set(installation.mailed.values()) == {1}
    assert set(installation.mailed) == sent | (people.keys() - set(LEAVERS))


def test_without_the_replay_log_nothing_is_sent_until_it_is_settled(installation, people):
    cut(installation.engine)
    installation.deliver(5)
    installation.backup()
    installation.deliver(5)
    sent = installation.mailed
    shutil.rmtree(settings().replay_folder)
    restored = installation.restore()
    assert "no replay log, so nothing from" in restored["uncovered"]
    with read_only(installation.engine) as connection:
        [paused] = events.latest(connection, 1, f"issue:{DAY}")
    assert paused.detail["reason"].startswith("restored from a backup of")
    [pause] = installation.run("status")["pauses"]
    assert "not covered" in pause["reason"]
    with pytest.raises(NotSettled):
        resume(installation.engine, EVERYTHING, installation.at)
    installation.run("settle", "--send", "--yes")
    installation.deliver()
    assert installation.mailed == sent  # all waiting messages may have been sent
    publish_and_deliver(installation, TOMORROW)
    assert installation.mailed.total() == sent.total() + 40


def test_todays_issue_is_not_cut_again_without_the_replay_log(installation, people):
    installation.backup()
    cut(installation.engine)
    installation.deliver()
    shutil.rmtree(settings().replay_folder)
    installation.restore()
    installation.run("settle", "--send", "--yes")
    assert not cut(installation.engine).created
    installation.deliver()
    assert set(installation.mailed.values()) == {1}


@pytest.mark.parametrize("backed_up", ["before the request", "before the confirmation", "after the change"])
def test_an_address_that_was_changed_after_the_backup_gets_no_more_email(installation, people, backed_up):
    """The log names no address: only a request in the backup tells the new one."""
    engine, (mover, deleted) = installation.engine, (people[address] for address in LEAVERS[:2])
    if backed_up == "before the request":
        installation.backup()
    changes = [ask(engine, mover, SEVEN, "moved@new.example"), ask(engine, deleted, SEVEN, "deleted@new.example")]
    if backed_up == "before the confirmation":
        installation.backup()
    cut(engine)
    for change in changes:
        for side in Side:
            confirm_change(engine, change.id, side, SEVEN, "")
    if backed_up == "after the change":
        installation.backup()
    installation.deliver(5)
    subscriptions.erase(engine, deleted.id, SEVEN)
    before = set(issues_to(installation))
    assert len(before) < 35
    assert installation.restore()["uncovered"] == ""
    cut(installation.engine)
    installation.run("settle", "--send", "--yes")
    installation.deliver()
    assert len(issues_to(installation)) == len(set(issues_to(installation)))
    old = {mover.email, deleted.email, "deleted@new.example"}
    everyone = people.keys() - old
    assert set(issues_to(installation)) - {"deleted@new.example"} == (
        everyone | ({"moved@new.example"} & before if backed_up == "before the request" else {"moved@new.example"})
    )
    with read_only(installation.engine) as connection:
        assert store.by_key(connection, changes[1].old_key) is None, "who was deleted under a new address is deleted"
        assert store.by_key(connection, changes[1].new_key) is None


def issues_to(installation):
    """The addresses that got an issue."""
    return [message.rcpt_tos[0] for message in installation.server.taken if b"Message-ID: <digest." in message.content]

"""The choice in Python and the last check in SQL agree on which messages are wanted."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

from digest.database.engine import read_only, transaction
from digest.issues.publish import halt
from digest.ledger import sending
from digest.ledger.kinds import ISSUE_OF, RULES, IssueStatus, SkipReason, Status, SuppressionReason
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.ledger.sending import MessageRecord
from digest.mail.delivery.choose import due_day, recipient_statuses
from digest.subscribers import erasing, store
from digest.subscribers.suppressions import suppress
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, cut

ZONE = "Pacific/Auckland"
DUE = MORNING + timedelta(hours=6)  # already the next day in Auckland
PAUSES = (None, DAY + timedelta(days=1), DAY + timedelta(days=2))  # none, over on the local day, still on
STATUSES = (Status.PENDING, Status.CONFIRMED, Status.UNSUBSCRIBED, None)  # None: erased
ISSUES = {DAY + timedelta(days=number): status for number, status in enumerate(IssueStatus)}


def queue_every_kind(engine, subscriber, issue_ids):
    with transaction(engine) as connection:
        for kind in RULES:
            for day, issue_id in issue_ids.items() if kind in ISSUE_OF else [(DAY, None)]:
                queue_delivery(
                    connection, NewDelivery(kind, day, subscriber.key, subscriber.id, DUE, issue_id), MORNING
                )


def change(engine, subscriber, status, paused_until, suppression):
    with transaction(engine) as connection:
        store.set_preferences(connection, subscriber.id, replace(subscriber.preferences, paused_until=paused_until))
        if status is Status.UNSUBSCRIBED:
            store.set_unsubscribed(connection, subscriber.id, DUE)
        if suppression:
            suppress(connection, subscriber.key, suppression, "", DUE)
        if status is None:
            erasing.erase(connection, subscriber.id, subscriber.key)


def test_the_choice_and_the_last_check_agree_about_every_kind_status_pause_suppression_and_issue(engine):
    add_papers(engine, range(3))
    issue_ids = {day: cut(engine, day).issue_id for day in ISSUES}
    people = []
    for number, (status, paused_until, suppression) in enumerate(product(STATUSES, PAUSES, (None, *SuppressionReason))):
        confirmed_at = None if status is Status.PENDING else MORNING
        subscriber = add_subscriber(engine, f"reader{number}@example.com", confirmed_at, zone=ZONE)
        queue_every_kind(engine, subscriber, issue_ids)
        people.append((subscriber, status, paused_until, suppression))
    with transaction(engine) as connection:
        claims = sending.claim(connection, "one", 2000, DUE)
    for person in people:
        change(engine, *person)
    for day, status in ISSUES.items():
        halt(engine, day, status, DUE)
    with read_only(engine) as connection:
        statuses = recipient_statuses(connection, claims)
    reasons = {claim.id: statuses[claim.id].skip_reason(claim) for claim in claims}
    wanted = {
        claim.id
        for claim in claims
        if reasons[claim.id] is None and statuses[claim.id].issue_status in (None, IssueStatus.RUNNING)
    }
    someone = people[0][0]
    records = [MessageRecord(claim.id, "", "", due_day(someone, claim.due_at)) for claim in claims]
    with transaction(engine) as connection:
        assert sending.mark_sending(connection, "one", records) == wanted
    assert len(claims) == len(people) * (len(ISSUE_OF) * len(ISSUES) + len(RULES) - len(ISSUE_OF))
    assert set(reasons.values()) == {None, *SkipReason} - {
        SkipReason.NOTHING_NEW,
        SkipReason.NOTHING_FOLLOWED,
        SkipReason.EMPTY_ISSUE,
        SkipReason.TOO_FEW,
        SkipReason.RESTORED,
        SkipReason.SENT_BEFORE,
    }

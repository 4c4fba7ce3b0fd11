"""A report changes a subscriber only if a signed address proves it. Each kind of report has one rule."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, update

from digest.bounces.effects import Proof
from digest.bounces.report import Report, ReportKind
from digest.database.engine import read_only, transaction
from digest.database.tables import bounce_counts, bounces, failing
from digest.issues.first_issue import confirm
from digest.ledger.kinds import FailureEffect, Status
from digest.mail.failures import ENOUGH, score_after
from digest.subscribers import store, subscriptions
from digest.subscribers.subscriber import Consent
from digest.subscribers.suppressions import lift_expired, suppression_of
from tests.bounces.builders import Post, subscribe
from tests.bounces.builders import post as post
from tests.mail.delivery.builders import SEVEN, opened
from tests.subscribers.address_change.builders import change_address
from tests.support.scenario import ON_SQLITE, SECRET
from tests.support.smtp_server import Step

ADA, BOB = "ada@example.com", "bob@example.net"
DAY = timedelta(days=1)
DATE = date(2026, 3, 4)


def test_a_hard_report_about_an_address_that_never_worked_suppresses_it_for_good(post: Post) -> None:
    (ada,) = subscribe(post, ADA)
    post.send()
    assert post.accept(post.report(ADA)).effect is FailureEffect.SUPPRESSED
    assert post.suppression(ada) == ("refused", "5.1.1", "maildir", None)


def test_each_message_has_its_own_envelope_sender(post: Post) -> None:
    subscribe(post, ADA, BOB)
    post.send()
    senders = {post.message(address).mail_from for address in (ADA, BOB)}
    assert len(senders) == 2
    assert all(sender.startswith("bounces+") and sender.endswith("@example.org") for sender in senders)


FORGED = {
    "no token": (lambda report: replace(report, return_path="bounces@example.org"), Proof.UNPROVED),
    "no address at all": (lambda report: replace(report, return_path=None), Proof.UNPROVED),
    "a token with another last digit": (
        lambda report: replace(report, return_path=_changed(report.return_path)),
        Proof.UNPROVED,
    ),
    "a made-up token": (lambda report: replace(report, return_path=f"bounces+{'0' * 30}@example.org"), Proof.UNPROVED),
    "a token in the payload that is made up": (
        lambda report: replace(report, return_path=None, token="f" * 30),
        Proof.UNPROVED,
    ),
    "another recipient": (lambda report: replace(report, recipient=BOB), Proof.MISMATCH),
    "a made-up Message-ID": (
        lambda report: replace(report, return_path=None, message_id="<digest.0123@example.org>"),
        Proof.UNPROVED,
    ),
}


def _changed(address: str) -> str:
    local, _, domain = address.rpartition("@")
    return f"{local[:-1]}{'0' if local[-1] != '0' else '1'}@{domain}"


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize(
    ("database_url", "kind"),
    [("sqlite", ReportKind.HARD), ("postgresql", ReportKind.SOFT), ("sqlite", ReportKind.COMPLAINT)],
    indirect=["database_url"],
)
def test_a_forged_report_changes_nothing_and_is_counted(post: Post, forged: str, kind: ReportKind) -> None:
    ada, bob = subscribe(post, ADA, BOB)
    post.send()
    forge, proof = FORGED[forged]
    assert post.accept(forge(post.report(ADA, kind))).proof is proof
    assert post.suppression(ada) is None
    assert post.suppression(bob) is None
    with read_only(post.engine) as connection:
        assert connection.execute(select(bounces.c.id)).all() == []
        assert connection.execute(select(failing.c.score)).all() == []
        counted = connection.execute(select(bounce_counts.c.kind, bounce_counts.c.proof, bounce_counts.c.reports)).all()
    assert [tuple(row) for row in counted] == [(str(kind), str(proof), 1)]


def test_the_token_of_another_subscriber_proves_nothing(post: Post) -> None:
    """Mallory uses a token from their own message in a report about Ada."""
    ada, mallory = subscribe(post, ADA, "mallory@example.com")
    post.send()
    report = replace(post.report(ADA), return_path=post.message("mallory@example.com").mail_from)
    assert post.accept(report).proof is Proof.MISMATCH
    assert post.suppression(ada) is post.suppression(mallory) is None


def test_a_token_in_capitals_in_a_payload_or_of_a_replaced_key_counts(post: Post) -> None:
    ada, bob = subscribe(post, ADA, BOB)
    post.send()
    assert post.accept(replace(post.report(ADA), return_path=post.message(ADA).mail_from.upper())).effect
    in_payload = replace(post.report(BOB), return_path=None, token=post.message(BOB).mail_from)
    post.accept(in_payload)
    assert post.suppression(ada)
    assert post.suppression(bob)


def test_the_message_id_of_a_message_sent_without_a_token_proves_a_report_that_names_its_recipient(post: Post) -> None:
    (ada,) = subscribe(post, ADA)
    post.send()
    message_id = opened(post.message(ADA))["Message-ID"]
    report = replace(post.report(ADA), return_path="bounces@example.org", message_id=message_id)
    assert post.accept(replace(report, recipient=None)).proof is Proof.UNPROVED
    assert post.accept(report).proof is Proof.PROVED
    assert post.suppression(ada)


def test_the_same_report_is_applied_only_once(post: Post) -> None:
    subscribe(post, ADA)
    post.send()
    report = post.report(ADA, ReportKind.SOFT)
    assert post.accept(report).effect is FailureEffect.SCORED
    again = post.accept(report, post.hands.at + DAY)
    assert (again.proof, again.effect) == (Proof.REPEATED, FailureEffect.NONE)


def test_an_address_that_worked_lately_gets_a_second_look_a_day_later(post: Post) -> None:
    (ada,) = subscribe(post, ADA)
    for day in (0, 1):
        post.send(day)
    assert post.accept(post.report(ADA)).effect is FailureEffect.SECOND_LOOK
    assert post.suppression(ada) is None
    post.send(2)  # it is still tried
    assert post.accept(post.report(ADA)).effect is FailureEffect.SUPPRESSED
    assert post.suppression(ada)


def test_two_failures_within_hours_count_as_one(post: Post) -> None:
    """A provider in trouble reports good addresses as unknown for hours."""
    (ada,) = subscribe(post, ADA)
    for day in (0, 1):
        post.send(day)
    post.accept(post.report(ADA))
    soon = post.hands.at + timedelta(hours=5)
    with transaction(post.engine) as connection:  # another message of the same day
        connection.execute(update(bounces).values(delivery_id=10**6))
    assert post.accept(post.report(ADA), soon).effect is FailureEffect.SECOND_LOOK
    assert post.suppression(ada) is None


def test_an_address_that_worked_after_its_first_failure_gets_a_new_second_look(post: Post) -> None:
    (ada,) = subscribe(post, ADA)
    for day in (0, 1):
        post.send(day)
    post.accept(post.report(ADA))
    for day in (2, 3):  # the third day's message does not come back
        post.send(day)
    assert post.accept(post.report(ADA)).effect is FailureEffect.SECOND_LOOK
    assert post.suppression(ada) is None


@pytest.mark.parametrize(("worked", "suppressed"), [(True, False), (False, True)])
def test_a_refusal_in_the_session_follows_the_same_rule(post: Post, worked: bool, suppressed: bool) -> None:
    (ada,) = subscribe(post, ADA)
    if worked:
        post.send(0)
    post.server.always(Step.RCPT, "550 5.1.1 no such user")
    post.send(1)
    assert bool(post.suppression(ada)) is suppressed
    if worked:
        post.send(2)
    assert post.suppression(ada) == ("refused", "550 5.1.1", "smtp", None)


def test_soft_failures_count_once_a_day_and_suppress_for_a_time(post: Post) -> None:
    (ada,) = subscribe(post, ADA)
    effects = []
    for day in range(6):
        post.send(day)
        effects.append(post.accept(post.report(ADA, ReportKind.SOFT)).effect)
    assert effects == [FailureEffect.SCORED] * 5 + [FailureEffect.SUPPRESSED]
    suppression = post.suppression(ada)
    assert suppression is not None
    assert suppression[3] == post.hands.at + timedelta(days=90)
    with transaction(post.engine) as connection:
        assert lift_expired(connection, post.hands.at + timedelta(days=89)) == 0
        assert lift_expired(connection, post.hands.at + timedelta(days=90)) == 1


def test_a_second_soft_report_of_the_same_day_adds_nothing(post: Post) -> None:
    subscribe(post, ADA)
    post.send()
    post.accept(post.report(ADA, ReportKind.SOFT))
    with transaction(post.engine) as connection:  # another message of the same day
        connection.execute(update(bounces).values(delivery_id=10**6))
    post.accept(post.report(ADA, ReportKind.SOFT))
    with read_only(post.engine) as connection:
        assert connection.execute(select(failing.c.score)).scalar() == 1.0


def test_the_score_loses_a_point_in_two_weeks() -> None:
    score, first = 0.0, DATE
    days = 0
    for week in range(20):
        score = score_after(score, first + timedelta(weeks=max(week - 1, 0)), first + timedelta(weeks=week))
        days += score < ENOUGH
    assert days == 8  # the ninth week in a row is enough
    assert score_after(4.5, first, first + timedelta(days=90)) == 1.0


@ON_SQLITE
@pytest.mark.parametrize("status", ["5.7.1", "5.7.26", "4.7.0", "5.6.0", "5.1.8"])
@pytest.mark.parametrize("kind", [ReportKind.HARD, ReportKind.SOFT])
def test_a_report_that_blames_the_sender_says_nothing_about_the_address(
    post: Post, status: str, kind: ReportKind
) -> None:
    (ada,) = subscribe(post, ADA)
    post.send()
    assert post.accept(post.report(ADA, kind, status=status)).effect is FailureEffect.NONE
    assert post.suppression(ada) is None


def test_a_complaint_suppresses_at_once_and_signing_up_does_not_lift_it(post: Post) -> None:
    (ada,) = subscribe(post, ADA)
    for day in (0, 1):
        post.send(day)
    complaint = post.report(ADA, ReportKind.COMPLAINT, recipient=None)
    assert post.accept(complaint).effect is FailureEffect.SUPPRESSED
    assert post.suppression(ada) == ("complained", "", "maildir", None)
    consent = Consent(post.hands.at, requested_from="", form="site")
    assert not subscriptions.subscribe(post.engine, ADA, consent, SECRET)


def test_signing_up_again_lifts_a_reported_failure_once_it_is_confirmed(post: Post) -> None:
    (ada,) = subscribe(post, ADA)
    post.send()
    post.accept(post.report(ADA))
    later = post.hands.at + 2 * DAY
    assert subscriptions.subscribe(post.engine, ADA, Consent(later, requested_from="", form="site"), SECRET)
    assert post.suppression(ada), "not before they confirm"
    with transaction(post.engine) as connection:
        store.add_request(connection, ada.id, Consent(later, requested_from="", form="site"))
    confirm(post.engine, ada.id, "", later)
    assert post.suppression(ada) is None


def _unsubscribe_address(post: Post, address: str) -> str:
    field = str(opened(post.message(address))["List-Unsubscribe"])
    return field.partition("<mailto:")[2].partition("?")[0]


def _email_to(address: str) -> Report:
    return Report(ReportKind.NONE, return_path=address)


def _status(post: Post, subscriber_id: int) -> Status:
    with read_only(post.engine) as connection:
        subscriber = store.by_id(connection, subscriber_id)
    assert subscriber is not None
    return subscriber.status


def test_an_email_to_the_address_in_list_unsubscribe_unsubscribes_and_a_second_changes_nothing(post: Post) -> None:
    (ada,) = subscribe(post, ADA)
    post.send()
    email = _email_to(_unsubscribe_address(post, ADA))
    assert post.accept(email).unsubscribed
    assert _status(post, ada.id) is Status.UNSUBSCRIBED
    assert not post.accept(email).unsubscribed


def test_nothing_else_to_that_address_unsubscribes(post: Post) -> None:
    (ada,) = subscribe(post, ADA)
    post.send()
    address = _unsubscribe_address(post, ADA)
    email = _email_to(address)
    assert not post.accept(email, is_automatic=True).unsubscribed
    assert not post.accept(_email_to(_changed(address))).unsubscribed
    assert not post.accept(_email_to(post.message(ADA).mail_from)).unsubscribed, "the envelope sender is another token"
    for kind in (ReportKind.HARD, ReportKind.SOFT, ReportKind.COMPLAINT):
        assert post.accept(Report(kind, "5.1.1", ADA, return_path=address)).proof is Proof.UNPROVED
    assert _status(post, ada.id) is Status.CONFIRMED
    assert post.suppression(ada) is None


def test_a_report_about_a_message_to_an_address_that_was_changed_is_about_that_address(post: Post) -> None:
    (ada,) = subscribe(post, ADA)
    post.send()
    report = post.report(ADA)
    change = change_address(post.engine, ada, SEVEN + DAY, "ada@new.example")
    assert post.accept(report).effect is FailureEffect.SUPPRESSED
    with read_only(post.engine) as connection:
        assert suppression_of(connection, change.old_key) == "refused"
        assert suppression_of(connection, change.new_key) is None

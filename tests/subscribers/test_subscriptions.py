"""Actions on a subscription, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from sqlalchemy import Engine, select

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.issues import first_issue
from digest.issues.personal_data import export
from digest.ledger.kinds import Kind, Status, SuppressionReason
from digest.subscribers import store, subscriptions
from digest.subscribers.subscriber import Balance, Consent, Frequency, Preferences, recipient_key
from digest.subscribers.suppressions import suppress, suppression_of
from tests.support.page_actions import (
    ADDRESS,
    DAY,
    HOUR,
    KEY,
    NOW,
    SECRET,
    confirmed,
    cut,
    happened,
    mails,
    subscribe,
    the_subscriber,
)
from tests.support.scenario import ON_SQLITE

# --- subscribe ---


def test_a_new_address_is_pending_and_asked_to_confirm(engine: Engine) -> None:
    subscribe(engine, wishes=Preferences(zone="Asia/Tokyo"))
    subscriber = the_subscriber(engine)
    assert (subscriber.email, subscriber.status, subscriber.preferences.zone) == (ADDRESS, Status.PENDING, "Asia/Tokyo")
    consent = subscriber.consent
    assert (consent.requested_at, consent.form, consent.confirmed_at) == (NOW, "web 1", None)
    assert mails(engine) == [("confirmation", "2026-11-23")]
    assert happened(engine) == ["asked to subscribe"]


def test_fifty_requests_for_one_address_make_one_mail(engine: Engine) -> None:
    for minute in range(50):
        subscribe(engine, NOW + timedelta(minutes=minute))
    assert mails(engine) == [("confirmation", "2026-11-23")]


def test_midnight_does_not_allow_a_second_mail_within_a_day(engine: Engine) -> None:
    subscribe(engine, NOW)
    subscribe(engine, NOW + 23 * HOUR)
    assert len(mails(engine)) == 1
    subscribe(engine, NOW + 25 * HOUR)
    assert mails(engine) == [("confirmation", "2026-11-23"), ("confirmation", "2026-11-24")]


def test_three_confirmation_mails_in_a_month_are_the_most(engine: Engine) -> None:
    for day in range(29):
        subscribe(engine, NOW + day * DAY + timedelta(minutes=day))
    assert len(mails(engine)) == 3
    subscribe(engine, NOW + 32 * DAY)
    assert len(mails(engine)) == 4


def test_requests_at_once_make_one_subscriber_and_one_mail(engine: Engine) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: subscribe(engine), range(16)))
    assert mails(engine) == [("confirmation", "2026-11-23")]
    with read_only(engine) as connection:
        assert len(list(store.with_status(connection))) == 1


def test_upper_and_lower_case_are_one_subscriber(engine: Engine) -> None:
    subscribe(engine, address="Ada@example.org")
    subscribe(engine, address="ada@example.org")
    with read_only(engine) as connection:
        assert [subscriber.email for subscriber in store.with_status(connection)] == ["Ada@example.org"]


def test_a_confirmed_address_is_told_so_by_mail_and_stays_as_it_is(engine: Engine) -> None:
    before = confirmed(engine)
    subscribe(engine, NOW + HOUR, wishes=Preferences(papers=1))
    assert the_subscriber(engine) == before
    assert mails(engine) == [("confirmation", "2026-11-23"), ("already", "2026-11-23")]
    subscribe(engine, NOW + 2 * HOUR)
    assert len(mails(engine)) == 2


def test_a_request_for_who_unsubscribed_changes_nothing_until_it_is_confirmed(engine: Engine) -> None:
    subscriber = confirmed(engine)
    subscriptions.change_preferences(engine, subscriber.id, Preferences(papers=2), NOW)
    subscriptions.unsubscribe(engine, subscriber.id, NOW + DAY, "test")
    before = the_subscriber(engine)
    subscribe(engine, NOW + 2 * DAY, wishes=Preferences(papers=25))
    assert the_subscriber(engine) == before
    assert mails(engine)[-1] == ("confirmation", "2026-11-25")
    assert subscriptions.purge_pending(engine, NOW + 90 * DAY) == 0
    assert the_subscriber(engine) == before
    assert first_issue.confirm(engine, subscriber.id, "", NOW + 90 * DAY) is None, "the request is purged"


def test_a_request_does_not_end_the_undo_of_an_unsubscription(engine: Engine) -> None:
    subscriber = confirmed(engine)
    subscriptions.unsubscribe(engine, subscriber.id, NOW, "test")
    subscribe(engine, NOW + timedelta(minutes=5))
    assert subscriptions.resubscribe(engine, subscriber.id, NOW + timedelta(minutes=10), within=HOUR)
    assert the_subscriber(engine).consent == subscriber.consent


def test_each_consent_is_kept_when_another_is_confirmed(engine: Engine) -> None:
    first = confirmed(engine).consent
    for years in (1, 2):
        subscriptions.unsubscribe(engine, the_subscriber(engine).id, NOW + years * 365 * DAY, "test")
        subscribe(engine, NOW + years * 365 * DAY + HOUR)
        subscriptions.subscribe(engine, ADDRESS, Consent(NOW + years * 365 * DAY + 2 * HOUR, "", "later"), SECRET)
        assert first_issue.confirm(engine, the_subscriber(engine).id, str(years), NOW + years * 365 * DAY + 3 * HOUR)
    stored = export(engine, the_subscriber(engine).id)
    assert stored is not None
    other = stored["other_consents"]
    assert [row["confirmed_from"] for row in other] == [first.confirmed_from, "1"]
    assert other[0]["requested_at"] == NOW.isoformat()
    current = the_subscriber(engine).consent
    assert (current.confirmed_from, current.form, current.requested_at) == ("2", "web 1", NOW + 730 * DAY + HOUR)


def test_who_withdraws_an_open_request_is_not_asked_again(engine: Engine) -> None:
    subscriber = confirmed(engine)
    subscriptions.unsubscribe(engine, subscriber.id, NOW, "test")
    subscribe(engine, NOW + 2 * DAY)
    assert subscriptions.unsubscribe(engine, subscriber.id, NOW + 2 * DAY, "unsubscribe page")
    assert first_issue.confirm(engine, subscriber.id, "", NOW + 2 * DAY) is None
    sent = mails(engine)
    subscribe(engine, NOW + 4 * DAY)
    assert mails(engine) == sent
    assert subscriptions.resubscribe(engine, subscriber.id, NOW + 5 * DAY)
    with read_only(engine) as connection:
        assert suppression_of(connection, KEY) is None


def test_later_requests_neither_extend_the_first_nor_replace_it(engine: Engine) -> None:
    subscribe(engine)
    for hours in (25, 60, 100, 150, 167):
        subscribe(engine, NOW + hours * HOUR)
    assert the_subscriber(engine).consent.requested_at == NOW
    assert len(mails(engine)) == 3
    assert subscriptions.purge_pending(engine, NOW + 7 * DAY + HOUR) == 1


@ON_SQLITE
def test_a_stranger_who_asks_all_year_for_an_address_causes_six_mails_and_keeps_it_no_longer(engine: Engine) -> None:
    stored = []
    for day in range(360):
        subscriptions.purge_pending(engine, NOW + day * DAY)
        if day % 6 == 0:
            subscribe(engine, NOW + day * DAY)
        with read_only(engine) as connection:
            stored.append(store.by_key(connection, KEY) is not None)
    assert len(mails(engine)) == 6
    assert sum(stored) <= 6 * 8


@pytest.mark.parametrize("status", ["unknown", "confirmed", "unsubscribed"])
def test_who_was_suppressed_for_refusals_is_asked_again_and_confirming_lifts_it(engine: Engine, status: str) -> None:
    if status != "unknown":
        subscriber = confirmed(engine, NOW - 9 * DAY)
    if status == "unsubscribed":
        subscriptions.unsubscribe(engine, subscriber.id, NOW - 8 * DAY, "test")
    before = mails(engine)
    with transaction(engine) as connection:
        suppress(connection, KEY, SuppressionReason.REFUSED, "550 5.1.1", NOW - DAY)
    subscribe(engine)
    subscribe(engine, NOW + HOUR)
    assert mails(engine) == [*before, ("confirmation", "2026-11-23")]
    with read_only(engine) as connection:
        assert suppression_of(connection, KEY) is SuppressionReason.REFUSED
    assert first_issue.confirm(engine, the_subscriber(engine).id, "", NOW + HOUR)
    with read_only(engine) as connection:
        assert suppression_of(connection, KEY) is None


@pytest.mark.parametrize("reason", [SuppressionReason.ASKED, SuppressionReason.OPERATOR])
def test_an_address_that_was_suppressed_on_purpose_gets_nothing(engine: Engine, reason: SuppressionReason) -> None:
    for each in (SuppressionReason.REFUSED, reason, SuppressionReason.REFUSED):
        with transaction(engine) as connection:
            suppress(connection, KEY, each, "", NOW)
            kept = suppression_of(connection, KEY)
    assert kept is reason
    subscribe(engine)
    assert mails(engine) == []
    with read_only(engine) as connection:
        assert store.by_key(connection, KEY) is None


# --- confirm ---


def test_confirming_starts_the_mails_with_the_newest_issue(engine: Engine) -> None:
    cut(engine, date(2026, 11, 22), NOW - 27 * HOUR)
    issue = cut(engine, date(2026, 11, 23), NOW - 3 * HOUR)
    subscriber = confirmed(engine)
    consent = subscriber.consent
    assert (subscriber.status, consent.confirmed_at, consent.confirmed_from) == (Status.CONFIRMED, NOW, "1" * 32)
    assert mails(engine)[1:] == [("digest", "2026-11-23")]
    with read_only(engine) as connection:
        row = connection.execute(select(deliveries).where(deliveries.c.kind == Kind.DIGEST)).one()
    assert (row.issue_id, row.due_at, row.recipient, row.subscriber_id) == (issue, NOW, KEY, subscriber.id)


def test_an_issue_older_than_two_days_is_not_sent_to_who_confirms(engine: Engine) -> None:
    cut(engine, date(2026, 11, 20), NOW - 3 * DAY)
    confirmed(engine)
    assert mails(engine) == [("confirmation", "2026-11-23")]


def test_confirming_twice_is_the_same_as_once(engine: Engine) -> None:
    cut(engine, date(2026, 11, 23), NOW)
    first = confirmed(engine)
    second = first_issue.confirm(engine, first.id, "2" * 32, NOW + HOUR, Preferences(papers=1))
    assert second == first
    assert happened(engine) == ["asked to subscribe", "confirmed"]
    assert len(mails(engine)) == 2


def test_confirming_at_once_from_several_places_makes_one_digest(engine: Engine) -> None:
    cut(engine, date(2026, 11, 23), NOW)
    subscribe(engine)
    number = the_subscriber(engine).id
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: first_issue.confirm(engine, number, "", NOW), range(8)))
    assert len(mails(engine)) == 2
    assert happened(engine).count("confirmed") == 1


def test_preferences_can_come_with_the_confirmation(engine: Engine) -> None:
    subscribe(engine)
    subscriber = first_issue.confirm(engine, the_subscriber(engine).id, "", NOW, Preferences(papers=3, hour=22))
    assert subscriber is not None
    assert (subscriber.preferences.papers, subscriber.preferences.hour) == (3, 22)


def test_an_old_link_does_not_revive_who_unsubscribed(engine: Engine) -> None:
    subscriber = confirmed(engine)
    subscriptions.unsubscribe(engine, subscriber.id, NOW, "test")
    assert first_issue.confirm(engine, subscriber.id, "", NOW + HOUR) is None
    assert the_subscriber(engine).status is Status.UNSUBSCRIBED


def test_nobody_is_confirmed_by_the_number_of_an_erased_subscriber(engine: Engine) -> None:
    subscriber = confirmed(engine)
    subscriptions.erase(engine, subscriber.id, NOW)
    subscribe(engine, address="eve@example.org")
    assert the_subscriber(engine, recipient_key("eve@example.org", SECRET)).id != subscriber.id
    assert first_issue.confirm(engine, subscriber.id, "", NOW) is None


def test_a_new_link_can_be_asked_for_within_the_limits(engine: Engine) -> None:
    subscribe(engine)
    number = the_subscriber(engine).id
    subscriptions.confirm_again(engine, number, NOW + HOUR)
    assert len(mails(engine)) == 1
    subscriptions.confirm_again(engine, number, NOW + 4 * DAY)
    assert mails(engine)[1:] == [("confirmation", "2026-11-27")]
    assert the_subscriber(engine).consent.requested_at == NOW, "which does not extend the first request"


# --- change, unsubscribe, undo ---


def test_changed_preferences_are_kept_and_noted_by_field(engine: Engine) -> None:
    subscriber = confirmed(engine)
    wishes = Preferences(
        topics=("vision",),
        keywords=("rag",),
        categories=("cs.CL",),
        authors=("Ada Lovelace",),
        labs=("MHUGLab",),
        muted_topics=("speech",),
        muted_words=("survey",),
        surprise=False,
        balance=Balance.MINE,
        papers=2,
        full_lists=True,
        frequency=Frequency.WEEKLY,
        weekdays=frozenset({2, 6}),
        zone="Asia/Tokyo",
        hour=23,
        paused_until=date(2026, 12, 24),
    )
    assert subscriptions.change_preferences(engine, subscriber.id, wishes, NOW)
    assert the_subscriber(engine).preferences == wishes
    subscriptions.change_preferences(engine, subscriber.id, wishes, NOW)
    assert happened(engine).count("changed preferences") == 1


def test_unsubscribing_twice_is_noted_once(engine: Engine) -> None:
    subscriber = confirmed(engine)
    assert subscriptions.unsubscribe(engine, subscriber.id, NOW, "one-click")
    assert not subscriptions.unsubscribe(engine, subscriber.id, NOW, "one-click")
    assert the_subscriber(engine).status is Status.UNSUBSCRIBED
    assert happened(engine).count("unsubscribed") == 1


def test_undo_brings_back_who_had_confirmed_and_nobody_else(engine: Engine) -> None:
    subscribe(engine)
    number = the_subscriber(engine).id
    assert not subscriptions.resubscribe(engine, number, NOW)
    subscriptions.unsubscribe(engine, number, NOW, "test")
    assert not subscriptions.resubscribe(engine, number, NOW)
    assert the_subscriber(engine).status is Status.UNSUBSCRIBED


def test_undo_is_bound_to_its_time(engine: Engine) -> None:
    subscriber = confirmed(engine)
    subscriptions.unsubscribe(engine, subscriber.id, NOW, "test")
    assert not subscriptions.resubscribe(engine, subscriber.id, NOW + 2 * HOUR, within=HOUR)
    assert subscriptions.resubscribe(engine, subscriber.id, NOW + HOUR, within=HOUR)
    assert the_subscriber(engine).status is Status.CONFIRMED


# --- mail me my link ---


def test_a_link_is_mailed_to_confirmed_subscribers_once_a_day(engine: Engine) -> None:
    confirmed(engine)
    for hour in range(3):
        subscriptions.mail_link(engine, ADDRESS, NOW + hour * HOUR, SECRET)
    assert mails(engine)[1:] == [("link", "2026-11-23")]


@pytest.mark.parametrize("status", ["unknown", "pending", "unsubscribed"])
def test_nobody_else_is_mailed_a_link(engine: Engine, status: str) -> None:
    if status != "unknown":
        subscribe(engine)
    if status == "unsubscribed":
        subscriptions.unsubscribe(engine, the_subscriber(engine).id, NOW, "test")
    subscriptions.mail_link(engine, ADDRESS, NOW, SECRET)
    assert "link" not in [kind for kind, _ in mails(engine)]


# --- never again ---


def test_who_never_asked_and_says_so_is_never_mailed_again_whoever_types_their_address(engine: Engine) -> None:
    subscribe(engine)
    assert subscriptions.unsubscribe(engine, the_subscriber(engine).id, NOW, "unsubscribe page")
    for day in range(2, 40, 3):
        subscribe(engine, NOW + day * DAY)
    assert [kind for kind, _ in mails(engine)] == ["confirmation"]


def test_never_mail_again_can_be_undone_by_the_same_link_and_confirms_nobody(engine: Engine) -> None:
    subscribe(engine)
    number = the_subscriber(engine).id
    subscriptions.unsubscribe(engine, number, NOW, "unsubscribe page")
    assert not subscriptions.resubscribe(engine, number, NOW)
    assert subscriptions.allow_asking(engine, number, NOW)
    assert not subscriptions.allow_asking(engine, number, NOW)
    subscribe(engine, NOW + 2 * DAY)
    assert the_subscriber(engine).status is Status.UNSUBSCRIBED
    assert [kind for kind, _ in mails(engine)] == ["confirmation", "confirmation"]


def test_undoing_never_lifts_what_a_mail_server_or_an_operator_suppressed(engine: Engine) -> None:
    subscriber = confirmed(engine)
    with transaction(engine) as connection:
        suppress(connection, KEY, SuppressionReason.REFUSED, "550 5.1.1", NOW)
    assert not subscriptions.allow_asking(engine, subscriber.id, NOW)

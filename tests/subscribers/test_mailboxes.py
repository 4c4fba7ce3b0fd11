"""A mailbox has limits however its address is spelled, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import product

import pytest
from sqlalchemy import Connection, Engine

from digest.database.engine import read_only
from digest.ledger import events
from digest.subscribers import store, subscriptions
from digest.subscribers.addresses import folded, is_role
from digest.subscribers.admission import Admission, EmailRequest
from digest.subscribers.mailboxes import mailbox_of
from digest.subscribers.subscriber import Consent, event_subject, recipient_key
from tests.support.page_actions import DAY, HOUR, KEY, NOW, SECRET, confirmed, mails, subscribe, the_subscriber

SPELLINGS = [
    f"{local}{tag}@{domain}"
    for local, tag, domain in product(
        ("adalovelace", "ada.lovelace", "a.d.a.lovelace", "AdaLovelace"),
        ("", "+papers", "+x.y", "+"),
        ("gmail.com", "googlemail.com"),
    )
]


@pytest.mark.parametrize(
    ("address", "mailbox"),
    [
        *((spelling, "adalovelace@gmail.com") for spelling in SPELLINGS),
        ("ada.lovelace+x@outlook.com", "ada.lovelace@outlook.com"),
        ("ada_l.o-v@pm.me", "adalov@proton.me"),
        ("ada.l@me.com", "ada.l@icloud.com"),
        ("ada.l+x@example.org", "ada.l@example.org"),
        ("+x@example.org", "+x@example.org"),
        ("...@gmail.com", "...@gmail.com"),
    ],
)
def test_spellings_of_one_mailbox_fold_to_one_address(address: str, mailbox: str) -> None:
    assert folded(address) == mailbox


@pytest.mark.parametrize(
    "local", ["postmaster", "ABUSE", "abuse+x", "hostmaster", "papers-request", "no-reply", "info"]
)
def test_addresses_of_roles_are_recognised(local: str) -> None:
    assert is_role(f"{local}@example.org")


@pytest.mark.parametrize(
    "address", ["ada@example.org", "information@example.org", "ada@abuse.example", "newsham@a.org"]
)
def test_other_addresses_are_people_s(address: str) -> None:
    assert not is_role(address)


def test_one_mail_goes_to_a_mailbox_in_a_day_however_it_is_spelled(engine: Engine) -> None:
    for minute, address in enumerate(SPELLINGS):
        subscribe(engine, NOW + timedelta(minutes=minute), address)
    assert mails(engine) == [("confirmation", "2026-11-23")]
    with read_only(engine) as connection:
        assert len(list(store.with_status(connection))) == 1, "those who are not asked are not stored"
    for day in range(1, 29):
        subscribe(engine, NOW + day * DAY + HOUR, SPELLINGS[day % len(SPELLINGS)])
    assert len(mails(engine)) == 3, "in a month"


def test_spellings_that_are_typed_at_once_make_one_mail(engine: Engine) -> None:
    admission = Admission(engine, lambda: 100_000, SECRET)

    def sign_up(address: str) -> None:
        def admit(connection: Connection) -> None:
            admission.take(connection, EmailRequest("192.0.2.1", "gmail.com"), NOW)

        subscriptions.subscribe(engine, address, Consent(NOW, "", "web 1"), SECRET, admit=admit)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(sign_up, SPELLINGS[:16]))
    assert mails(engine) == [("confirmation", "2026-11-23")]


def test_two_mailboxes_at_one_domain_have_their_own_limits(engine: Engine) -> None:
    for address in ("ada@example.org", "a.da@example.org"):
        subscribe(engine, address=address)
    assert len(mails(engine)) == 2


def test_spellings_are_different_subscribers_in_the_ledger(engine: Engine) -> None:
    subscribe(engine, address="ada+one@example.org")
    subscribe(engine, NOW + 2 * DAY, address="ada+two@example.org")
    with read_only(engine) as connection:
        assert [subscriber.email for subscriber in store.with_status(connection)] == [
            "ada+one@example.org",
            "ada+two@example.org",
        ]


def test_links_are_counted_for_all_spellings_too(engine: Engine) -> None:
    confirmed(engine)
    subscribe(engine, NOW, "ada+papers@example.org")
    assert len(mails(engine)) == 1
    subscriptions.mail_link(engine, "ada+papers@example.org", NOW, SECRET)
    subscriptions.mail_link(engine, "ada@example.org", NOW, SECRET)
    assert [kind for kind, _ in mails(engine)] == ["confirmation", "link"]


def test_who_wants_no_message_gets_none_under_another_spelling(engine: Engine) -> None:
    subscribe(engine, address="ada.l@gmail.com")
    victim = the_subscriber(engine, recipient_key("ada.l@gmail.com", SECRET))
    subscriptions.unsubscribe(engine, victim.id, NOW, "never again")
    for day, address in enumerate(("adal@gmail.com", "a.dal+x@googlemail.com"), start=2):
        subscribe(engine, NOW + day * DAY, address)
    assert len(mails(engine)) == 1


def test_an_address_that_is_flooded_has_one_event_a_day(engine: Engine) -> None:
    for minute in range(0, 30 * 60, 30):
        subscribe(engine, NOW + timedelta(minutes=minute))
        subscriptions.mail_link(engine, "ada@example.org", NOW + timedelta(minutes=minute), SECRET)
    with read_only(engine) as connection:
        happened = [
            (event.what, event.at.date().day) for event in reversed(events.latest(connection, 100, event_subject(KEY)))
        ]
    assert happened[:2] == [("asked to subscribe", 23), ("asked for the link", 23)]
    assert sorted(happened[2:]) == [("asked for the link", 24), ("asked to subscribe", 24), ("asked to subscribe", 24)]
    # Two on the second day: one did not lead to a message, one did.


def test_the_keys_of_a_mailbox_differ_only_where_its_address_is_spelled_otherwise() -> None:
    plain, tagged = mailbox_of("Ada@example.org", SECRET), mailbox_of("ada+x@example.org", SECRET)
    assert plain.key == plain.folded_key == tagged.folded_key != tagged.key

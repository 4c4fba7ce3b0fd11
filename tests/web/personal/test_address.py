"""Changing an address: asked for behind a fresh link, confirmed from both addresses, with everything kept."""

import re
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from digest.database.engine import read_only, transaction
from digest.database.tables import address_changes, deliveries
from digest.ledger import events
from digest.ledger.kinds import Kind, Status, SuppressionReason
from digest.mail.message import Branding
from digest.smtp import Relay, Security, Sender
from digest.subscribers import store, subscriptions
from digest.subscribers.address_change.asking import end_old_requests, queue_left_over
from digest.subscribers.form_requests import LEFT_OVER_AFTER
from digest.subscribers.subscriber import Subscriber, event_subject, recipient_key
from digest.subscribers.suppressions import suppress, suppression_of
from digest.subscribers.tokens import FRESH_FOR, Purpose
from digest.web.personal import signup
from tests.conftest import Clock
from tests.mail.delivery.builders import opened
from tests.support.scenario import ON_SQLITE, desk
from tests.support.smtp_server import SmtpServer
from tests.support.workers import postman
from tests.web.conftest import ADDRESS, SECRET, START, Visit

NEW = "ada@new.example"
AN_HOUR = timedelta(hours=1)
SITE = "http://127.0.0.1:8000"


@pytest.fixture
def ada(visit: Visit) -> Subscriber:
    return visit.subscribed()


@pytest.fixture
def inbox(visit: Visit, smtp_server: SmtpServer, tmp_path: Path) -> Callable[[str], str]:
    """Delivers what is queued. Returns the path of the last link for a change of address that an address got."""
    context = replace(desk(), branding=Branding("Daily Papers", SITE), link_keys=(SECRET.encode(),))

    def newest(address: str) -> str:
        with (
            closing(Sender([Relay("127.0.0.1", smtp_server.port, Security.NONE)], 1)) as sender,
            closing(postman(visit.engine, sender, tmp_path / "j", lambda: START + AN_HOUR, desk_=context)) as worker,
        ):
            worker.deliver_due(50)
        links = [
            link
            for message in smtp_server.taken_for(address)
            for link in re.findall(rf"{SITE}(/address/\S+)", opened(message).get_body(("plain",)).get_content())
        ]
        return links[-1] if links else ""

    return newest


def form(visit: Visit, subscriber: Subscriber) -> str:
    return f"/address/{visit.token(Purpose.FRESH, subscriber, START)}"


def ask(visit: Visit, subscriber: Subscriber, address: str = NEW) -> str:
    answer = visit.browser.post(form(visit, subscriber), data={"email": address})
    assert answer.status_code == 200, answer.text
    return answer.text


def kinds_to(visit: Visit, address: str) -> list[str]:
    key = recipient_key(address, SECRET.encode())
    with read_only(visit.engine) as connection:
        query = select(deliveries.c.kind).where(deliveries.c.recipient == key).order_by(deliveries.c.id)
        return list(connection.scalars(query))


def what_happened(visit: Visit, subscriber: Subscriber) -> list[str]:
    with read_only(visit.engine) as connection:
        return [event.what for event in events.latest(connection, 9, event_subject(subscriber.key))]


@pytest.mark.parametrize("sides", [("old", "new"), ("new", "old")])
def test_the_address_changes_once_both_have_confirmed(visit, ada, inbox, sides) -> None:
    assert "Change my email address" in visit.browser.get(form(visit, ada).replace("/address/", "/preferences/")).text
    assert "Check both inboxes" in ask(visit, ada)
    links = {"old": inbox(ADDRESS), "new": inbox(NEW)}
    for side in sides:
        page = visit.browser.get(links[side]).text
        assert NEW in page
        assert ADDRESS not in page, "the new address may be a stranger's"
        assert visit.subscriber().email == ADDRESS, "a look changes nothing"
        answer = visit.browser.post(links[side]).text
        assert ("Thanks for confirming" if side == sides[0] else "Your address has changed") in answer
    now = visit.subscriber(NEW)
    assert (now.id, now.email, now.status, now.consent) == (ada.id, NEW, Status.CONFIRMED, ada.consent)
    later = visit.browser.get(links["old"]).text
    assert "Your address has changed" in later
    assert NEW not in later, "somebody else may have the old address by now"
    assert "Your address has changed" in visit.browser.post(links["new"]).text, "a second click changes nothing"
    assert what_happened(visit, now)[:2] == ["changed the address", f"the {sides[1]} address confirmed its change"]
    assert kinds_to(visit, ADDRESS)[-1] == Kind.ADDRESS_CHANGED
    old_link = visit.token(Purpose.MANAGE, ada, START)
    shown = visit.browser.get(f"/preferences/{old_link}").text
    assert f"{NEW[0]}…@{NEW.partition('@')[2]}" in shown, "links in old emails keep working"


def test_a_forwarded_email_neither_opens_the_form_nor_asks(visit, ada) -> None:
    for purpose, issued in ((Purpose.MANAGE, START), (Purpose.FRESH, START - FRESH_FOR - AN_HOUR)):
        link = f"/address/{visit.token(purpose, ada, issued)}"
        assert visit.browser.get(link).status_code == 403
        before = visit.everything()
        assert visit.browser.post(link, data={"email": NEW}).status_code == 403
        assert visit.everything() == before
    for purpose in Purpose:
        for side in ("old", "new"):
            token = visit.token(purpose, ada, START)
            assert visit.browser.post(f"/address/{side}/{token}").status_code == 404, "a link of another purpose"


def test_a_second_request_replaces_the_first_and_its_links(visit, ada, inbox) -> None:
    ask(visit, ada, "typo@new.example")
    first = [inbox("typo@new.example"), inbox(ADDRESS)]
    ask(visit, ada)
    second = [inbox(NEW), inbox(ADDRESS)]
    for link in first:
        assert visit.browser.post(link).status_code == 410
    assert visit.subscriber().email == ADDRESS
    for link in second:
        assert visit.browser.post(link).status_code == 200
    assert visit.subscriber(NEW).id == ada.id
    assert "typo@new.example" not in repr(visit.everything()["address_changes"]), "it may be a stranger's"


@pytest.mark.parametrize("confirmed", ["none", "old", "new"])
def test_the_old_address_can_cancel(visit, ada, inbox, confirmed) -> None:
    ask(visit, ada)
    links = {"old": inbox(ADDRESS), "new": inbox(NEW)}
    if confirmed != "none":
        visit.browser.post(links[confirmed])
    assert "cancelled" in visit.browser.post(links["old"], data={"action": "cancel"}).text
    assert [visit.browser.post(link).status_code for link in links.values()] == [410, 410]
    assert visit.subscriber().email == ADDRESS


def test_the_form_shows_what_is_open_and_cancels_it(visit, ada, inbox) -> None:
    ask(visit, ada)
    assert NEW in visit.browser.get(form(visit, ada)).text
    assert NEW not in visit.browser.post(form(visit, ada), data={"action": "cancel"}).text
    assert inbox(NEW) == "", "an email that is not out yet is not sent"


def test_links_expire_and_the_address_is_forgotten(visit, ada, inbox, clock: Clock) -> None:
    ask(visit, ada)
    links = [inbox(ADDRESS), inbox(NEW)]
    clock.move_to(START + timedelta(hours=73))
    assert [visit.browser.post(link).status_code for link in links] == [410, 410]
    end_old_requests(visit.engine, START + timedelta(hours=73))
    assert NEW not in repr(visit.everything()["address_changes"])


@pytest.mark.parametrize("way", ["button", "one-click"])
def test_the_new_address_can_decline_for_good_and_the_subscription_goes_on(visit, ada, inbox, way) -> None:
    ask(visit, ada)
    link = inbox(NEW)
    data = {"action": "decline"} if way == "button" else {"List-Unsubscribe": "One-Click"}
    assert visit.browser.post(link, data=data).status_code == 200
    with read_only(visit.engine) as connection:
        assert suppression_of(connection, recipient_key(NEW, SECRET.encode())) == SuppressionReason.ASKED
    assert visit.subscriber().status is Status.CONFIRMED
    ask(visit, ada)
    assert kinds_to(visit, NEW) == [Kind.NEW_ADDRESS], "it gets no other"


def confirmed(visit: Visit) -> None:
    visit.subscribed(NEW)


def pending(visit: Visit) -> None:
    visit.browser.post("/subscribe", data={"email": NEW})


def unsubscribed(visit: Visit) -> None:
    subscriptions.unsubscribe(visit.engine, visit.subscribed(NEW).id, START, "test")


def suppressed(reason: SuppressionReason) -> Callable[[Visit], None]:
    def prepare(visit: Visit) -> None:
        with transaction(visit.engine) as connection:
            suppress(connection, recipient_key(NEW, SECRET.encode()), reason, "", START)

    return prepare


WHO = {
    "nobody": (lambda _visit: None, Kind.NEW_ADDRESS, True),
    "a subscriber": (confirmed, Kind.ADDRESS_TAKEN, False),
    "somebody who has not confirmed": (pending, Kind.NEW_ADDRESS, True),
    "somebody who unsubscribed": (unsubscribed, Kind.NEW_ADDRESS, True),
    "an address that bounced": (suppressed(SuppressionReason.REFUSED), Kind.NEW_ADDRESS, True),
    "who wants no email": (suppressed(SuppressionReason.ASKED), None, False),
    "whom the operator blocked": (suppressed(SuppressionReason.OPERATOR), None, False),
}


@pytest.mark.parametrize("who", WHO)
def test_the_answer_is_the_same_whoever_has_the_new_address(visit, ada, inbox, who) -> None:
    prepare, kind, changes = WHO[who]
    expected = re.sub(NEW, "", ask(visit, ada, "nobody@at.all.example")).replace("nobody@at.all.example", "")
    prepare(visit)
    before = kinds_to(visit, NEW)
    assert ask(visit, ada).replace(NEW, "") == expected
    queued = kinds_to(visit, NEW)[len(before) :]
    assert queued == ([kind] if kind else [])
    assert kinds_to(visit, ADDRESS).count(Kind.OLD_ADDRESS) == 2, "the old address is told in any case"
    assert visit.browser.post(inbox(ADDRESS)).status_code == 200
    link = inbox(NEW)
    assert bool(link) is changes
    if link:
        assert "Your address has changed" in visit.browser.post(link).text
        assert visit.subscriber(NEW).id == ada.id
    else:
        assert visit.subscriber().email == ADDRESS


def test_an_address_that_subscribed_meanwhile_keeps_its_subscription(visit, ada, inbox) -> None:
    ask(visit, ada)
    visit.browser.post(inbox(ADDRESS))
    other = visit.subscribed(NEW)
    assert visit.browser.post(inbox(NEW)).status_code == 409
    assert (visit.subscriber(NEW).id, visit.subscriber().id) == (other.id, ada.id)


@pytest.mark.parametrize("spelled", ["Ada@example.org", "ada+papers@example.org"])
def test_another_spelling_of_the_same_mailbox_changes_like_any_other(visit, ada, inbox, spelled) -> None:
    ask(visit, ada, spelled)
    with read_only(visit.engine) as connection:
        kinds = list(connection.scalars(select(deliveries.c.kind)))
    assert {Kind.OLD_ADDRESS, Kind.NEW_ADDRESS} <= set(kinds)
    old, new = inbox(ADDRESS), inbox(spelled)
    for link in (old, new):
        visit.browser.post(link)
    assert (visit.subscriber(spelled).id, visit.subscriber(spelled).email) == (ada.id, spelled)


@ON_SQLITE
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (ADDRESS, "your address already"),
        ("postmaster@example.org", "belongs to a role"),
        ("nonsense", "with an @"),
        ("ada@gmail.con", "Did you mean"),
    ],
)
def test_what_is_wrong_with_an_address_is_said_at_once(visit, ada, typed, words) -> None:
    answer = visit.browser.post(form(visit, ada), data={"email": typed})
    assert (answer.status_code, words in answer.text) == (400, True)
    assert visit.everything()["address_changes"] == []


@ON_SQLITE
def test_one_subscriber_cannot_have_many_strangers_mailed(visit, ada, clock: Clock) -> None:
    asked = 0
    for day in range(40):
        clock.move_to(START + timedelta(days=day))
        for number in range(3):
            link = f"/address/{visit.token(Purpose.FRESH, ada)}"
            answer = visit.browser.post(link, data={"email": f"stranger{day}-{number}@new.example"})
            asked += answer.status_code == 200
            assert answer.status_code in (200, 400)
            assert asked <= 2 or day, "two on a day"
    assert asked <= 8, "four in thirty days"
    assert len(visit.everything()["address_changes"]) == asked
    assert kinds_to(visit, ADDRESS).count(Kind.OLD_ADDRESS) == asked, "each is told to the old address"


@ON_SQLITE
def test_a_request_whose_web_process_ended_is_carried_out_later(visit, ada, monkeypatch) -> None:
    from digest.web.personal import address

    async def nothing(*_arguments: object) -> None: ...

    monkeypatch.setattr(address, "_queue_emails", nothing)
    ask(visit, ada)
    assert kinds_to(visit, NEW) == []
    for later, expected in ((LEFT_OVER_AFTER / 2, []), (2 * LEFT_OVER_AFTER, [Kind.NEW_ADDRESS])):
        queue_left_over(visit.engine, SECRET.encode(), START + later)
        assert kinds_to(visit, NEW) == expected


@ON_SQLITE
def test_somebody_whose_address_gets_no_email_or_who_left_is_told_so(visit, ada) -> None:
    with transaction(visit.engine) as connection:
        suppress(connection, ada.key, SuppressionReason.REFUSED, "", START)
    answer = visit.browser.post(form(visit, ada), data={"email": NEW})
    assert (answer.status_code, "write to us" in answer.text) == (400, True)
    subscriptions.unsubscribe(visit.engine, ada.id, START, "test")
    answer = visit.browser.post(form(visit, ada), data={"email": NEW})
    assert (answer.status_code, "not subscribed" in answer.text) == (400, True)


@ON_SQLITE
def test_turning_off_old_links_turns_off_those_of_a_request(visit, ada, inbox) -> None:
    ask(visit, ada)
    links = [inbox(ADDRESS), inbox(NEW)]
    with transaction(visit.engine) as connection:
        store.revoke_links(connection, ada.id)
    assert [visit.browser.post(link).status_code for link in links] == [410, 410]


@ON_SQLITE
def test_an_answer_takes_as_long_for_a_subscriber_as_for_anybody(visit, ada, monkeypatch) -> None:
    monkeypatch.setattr(signup, "ANSWER_SECONDS", 0.3)
    began = time.perf_counter()
    ask(visit, ada)
    assert time.perf_counter() - began >= 0.3
    with read_only(visit.engine) as connection:
        row = connection.execute(select(address_changes)).one()
    assert row.asked_at is not None

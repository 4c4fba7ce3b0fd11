"""Subscribers in the console."""

import re
from datetime import timedelta

import pytest

from digest.database.engine import read_only
from digest.ledger import events
from digest.ledger.kinds import Status
from digest.subscribers import store
from digest.subscribers.subscriber import event_subject
from digest.subscribers.suppressions import suppress_by_hand
from tests.support.scenario import add_subscriber
from tests.web.conftest import START, Visit
from tests.web.console import operators_pages
from tests.web.console.conftest import do, form_token

TODAY = START.date()
ADDRESSES = r"/console/subscribers/\d+\">([^<]+)"


def page_of(visit: Visit, address: str) -> str:
    return f"/console/subscribers/{visit.subscriber(address).id}"


def last_event(visit: Visit, address: str) -> tuple[str, dict[str, object]]:
    with read_only(visit.engine) as connection:
        event = events.latest(connection, 1, event_subject(visit.subscriber(address).key))[0]
    return event.what, event.detail


def found(ada, query: str) -> list[str]:
    return re.findall(ADDRESSES, ada.get("/console/subscribers", params={"q": query}).text)


def test_an_address_is_found_by_its_beginning_through_an_index(visit: Visit, ada) -> None:
    for address in ("Bobby@example.org", "boss_1@example.org", "b%b@example.org"):
        add_subscriber(visit.engine, address)
    assert found(ada, "bo") == ["bob@example.org", "boss_1@example.org"]
    assert found(ada, "Bob") == ["Bobby@example.org", "bob@example.org"]
    assert found(ada, "bobby@EXAMPLE.org") == ["Bobby@example.org"], "a whole address, however it is spelt"
    assert [found(ada, nobody) for nobody in ("ob", "b_", "b%", "bo%", "zzz@example.org")] == [
        [],
        [],
        ["b%b@example.org"],
        [],
        [],
    ]
    assert "ix_subscribers_email" in operators_pages.plan_of(
        visit.engine, lambda connection: store.beginning_with(connection, "bo", 50)
    )


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_long_lists_of_subscribers_are_shown_in_parts(visit: Visit, ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.web.console.people._ROWS", 2)
    for number in range(3):
        add_subscriber(visit.engine, f"zoe+{number}&x@example.org")
    everyone = operators_pages.all_parts(ada, "/console/subscribers", ADDRESSES)
    assert [address[:5] for address in everyone] == ["zoe+2", "zoe+1", "zoe+0", "tim@e", "eve@e", "bob@e"]
    searched = operators_pages.all_parts(ada, "/console/subscribers?q=zoe", ADDRESSES)
    assert [address[:5] for address in searched] == ["zoe+0", "zoe+1", "zoe+2"]


def test_a_person_s_page_tells_their_story(visit: Visit, ada) -> None:
    page = ada.get(page_of(visit, "bob@example.org")).text
    text = " ".join(re.sub("<[^>]+>", " ", page).split())
    assert f"Next digest issue of {TODAY + timedelta(days=1)}" in text
    assert "Signed up 2026-02-28 06:00 UTC by test; confirmed 2026-03-01 06:00 UTC" in text
    assert f"{TODAY} digest queued" in text
    assert ada.get("/console/subscribers/999").status_code == 404
    assert ada.get("/console/subscribers/0").status_code == 404


def test_a_subscription_is_paused_and_resumed(visit: Visit, ada) -> None:
    path, until = page_of(visit, "bob@example.org"), TODAY + timedelta(days=5)
    assert f"paused until {until}" in do(ada, f"{path}/pause", until=str(until))
    assert visit.subscriber("bob@example.org").preferences.paused_until == until
    what = {"fields": ["paused_until"], "by": "ada", "through": "console"}
    assert last_event(visit, "bob@example.org") == ("changed preferences", what)
    do(ada, f"{path}/resume")
    assert visit.subscriber("bob@example.org").preferences.paused_until == TODAY, "a catch-up issue may be due"
    token = form_token(ada.get("/console").text)
    for wrong in ("", "soon", str(TODAY), "2099-01-01"):
        assert ada.post(f"{path}/pause", data={"form_token": token, "until": wrong}).status_code == 400


def test_who_unsubscribed_comes_back_only_with_the_source_of_their_consent(visit: Visit, ada) -> None:
    path, before = page_of(visit, "bob@example.org"), visit.subscriber("bob@example.org").consent
    assert "They are unsubscribed." in do(ada, f"{path}/unsubscribe")
    assert visit.subscriber("bob@example.org").status is Status.UNSUBSCRIBED
    token = form_token(ada.get("/console").text)
    assert ada.post(f"{path}/resubscribe", data={"form_token": token, "consented": " "}).status_code == 400
    assert "They are subscribed again." in do(ada, f"{path}/resubscribe", consented="letter of 2026-11-20")
    bob = visit.subscriber("bob@example.org")
    assert (bob.status, bob.consent.form) == (Status.CONFIRMED, "operator: letter of 2026-11-20")
    assert bob.consent.confirmed_at is not None
    with read_only(visit.engine) as connection:
        assert store.other_consents(connection, bob.id) == [before], "nothing of the first consent is lost"
    what = {"consented": "operator: letter of 2026-11-20", "by": "ada", "through": "console"}
    assert last_event(visit, "bob@example.org") == ("subscribed again", what)
    assert "Nothing changed" in do(ada, f"{path}/resubscribe", consented="again")


def test_an_address_that_must_get_no_email_is_not_subscribed_again(visit: Visit, ada) -> None:
    path = page_of(visit, "bob@example.org")
    do(ada, f"{path}/unsubscribe")
    page = do(ada, f"{path}/suppress", reason="asked by phone")
    assert "The address gets no message" in page
    assert "operator (asked by phone), since" in page
    assert "Nothing changed" in do(ada, f"{path}/resubscribe", consented="letter")
    assert visit.subscriber("bob@example.org").status is Status.UNSUBSCRIBED
    assert "may get messages again" in do(ada, f"{path}/lift")
    assert "They are subscribed again." in do(ada, f"{path}/resubscribe", consented="letter")


def test_an_address_is_added_and_asked_unless_it_agreed_elsewhere(visit: Visit, ada) -> None:
    assert "asked to confirm" in do(ada, "/console/subscribers/add", address="new@example.org")
    assert visit.subscriber("new@example.org").status is Status.PENDING
    assert visit.queued()[-1] == "confirmation"
    page = do(ada, "/console/subscribers/add", address="fair@example.org", consented="list at the fair")
    assert "The address is subscribed." in page
    fair = visit.subscriber("fair@example.org")
    assert (fair.status, fair.consent.form) == (Status.CONFIRMED, "import: list at the fair")
    assert last_event(visit, "fair@example.org")[1]["by"] == "ada"
    assert "Nothing changed" in do(ada, "/console/subscribers/add", address="fair@example.org")
    suppress_by_hand(visit.engine, visit.subscriber("bob@example.org").key, "", START)
    assert "Nothing changed" in do(ada, "/console/subscribers/add", address="bob@example.org", consented="x")
    token = form_token(ada.get("/console").text)
    wrong = ada.post("/console/subscribers/add", data={"form_token": token, "address": "<b>nobody"})
    assert (wrong.status_code, "<b>nobody" in wrong.text) == (400, False)

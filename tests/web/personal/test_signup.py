"""Signing up and confirming, as a browser without scripts does it."""

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.database.engine import transaction
from digest.ledger.kinds import Status, SuppressionReason
from digest.settings import Settings
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import recipient_key
from digest.subscribers.suppressions import suppress
from digest.subscribers.tokens import Purpose
from digest.web.app import create_app
from tests.conftest import Clock
from tests.web.conftest import ADDRESS, SECRET, START, Visit

# --- subscribe ---


def test_subscribing_queues_a_confirmation_and_drops_a_hint(visit: Visit) -> None:
    answer = visit.browser.post("/subscribe", data={"email": f" {ADDRESS} ", "zone": "Asia/Tokyo", "website": ""})
    assert answer.status_code == 200
    assert "Check your inbox" in answer.text
    assert visit.queued() == ["confirmation"]
    assert len(visit.hints) == 1
    subscriber = visit.subscriber()
    assert (subscriber.status, subscriber.preferences.zone, subscriber.consent.form) == (
        Status.PENDING,
        "Asia/Tokyo",
        "web 1",
    )
    assert len(subscriber.consent.requested_from) == 32


@pytest.mark.parametrize("typed", ["ada＠example.org", "　ａｄａ＠example．org　", "\u00a0ada@example.org "])
def test_an_address_typed_with_full_width_signs_is_taken(visit: Visit, typed: str) -> None:
    assert visit.browser.post("/subscribe", data={"email": typed}).status_code == 200
    assert visit.subscriber("ada@example.org").status is Status.PENDING


def test_an_address_in_a_private_network_is_taken_where_the_operator_allows_its_domain(
    visit: Visit, settings: Settings
) -> None:
    refused = visit.browser.post("/subscribe", data={"email": "ada@mail.corp.local"})
    assert refused.status_code == 400
    assert "“mail.corp.local” only works inside a private network" in refused.text
    lab = create_app(visit.engine, settings.model_copy(update={"own_domains": ("corp.local",)}), lambda: None)
    browser = TestClient(lab, base_url="http://127.0.0.1:8000")
    for path in ("/subscribe", "/manage"):
        assert browser.post(path, data={"email": "ada@mail.corp.local"}).status_code == 200
    assert visit.subscriber("ada@mail.corp.local").status is Status.PENDING


def test_a_bad_address_is_refused_at_its_field(visit: Visit) -> None:
    answer = visit.browser.post("/subscribe", data={"email": '<b>"ada'})
    assert answer.status_code == 400
    assert 'aria-describedby="email-wrong"' in answer.text
    assert 'id="email-wrong">Enter an email address with an @' in answer.text
    assert 'value="&lt;b&gt;&#34;ada"' in answer.text, "what was typed is still there, and is not markup"
    assert visit.queued() == []


def test_a_form_without_an_address_asks_for_it(visit: Visit) -> None:
    for body in ({"data": {}}, {"json": {"email": ADDRESS}}, {"content": b"\xff\x00&%zz=%%%"}):
        answer = visit.browser.post("/subscribe", **body)
        assert answer.status_code == 400
        assert "Enter your email address." in answer.text


def test_a_slip_is_asked_about_and_can_be_insisted_on(visit: Visit) -> None:
    asked = visit.browser.post("/subscribe", data={"email": "ada@gmail.con"})
    assert asked.status_code == 400
    assert "Did you mean <strong>ada@gmail.com</strong>" in asked.text
    assert visit.queued() == []
    visit.browser.post("/subscribe", data={"email": "ada@gmail.com", "as_typed": "ada@gmail.con"})
    assert visit.subscriber("ada@gmail.con").status is Status.PENDING


def test_the_answer_is_the_same_bytes_whatever_is_true_of_the_address(visit: Visit) -> None:
    visit.subscribed("confirmed@example.org")
    left = visit.subscribed("left@example.org")
    subscriptions.unsubscribe(visit.engine, left.id, START, "test")
    visit.browser.post("/subscribe", data={"email": "pending@example.org"})
    key = recipient_key("suppressed@example.org", SECRET.encode())
    with transaction(visit.engine) as connection:
        suppress(connection, key, SuppressionReason.REFUSED, "", START)
    names = ("new", "pending", "confirmed", "left", "suppressed")
    for path in ("/subscribe", "/manage"):
        visit.hints.clear()
        before = len(visit.queued())
        answers = [visit.browser.post(path, data={"email": f"{name}@example.org"}) for name in names]
        assert len({(answer.status_code, answer.content, str(answer.headers)) for answer in answers}) == 1
        assert len(visit.hints) == len(visit.queued()) - before, "only what is queued is hinted at"


def test_fifty_posts_for_one_address_are_one_mail(visit: Visit) -> None:
    for _ in range(50):
        assert visit.browser.post("/subscribe", data={"email": ADDRESS}).status_code == 200
    assert visit.queued() == ["confirmation"]


def test_a_program_that_fills_the_hidden_field_changes_nothing(visit: Visit) -> None:
    person = visit.browser.post("/subscribe", data={"email": "person@example.org"})
    program = visit.browser.post("/subscribe", data={"email": ADDRESS, "website": "https://spam.example"})
    assert program.content == person.content
    assert visit.queued() == ["confirmation"]


# --- confirm ---


def test_the_confirmation_page_has_a_button_and_the_button_confirms(visit: Visit) -> None:
    visit.browser.post("/subscribe", data={"email": ADDRESS})
    token = visit.token(Purpose.CONFIRM, visit.subscriber())
    page = visit.browser.get(f"/confirm/{token}")
    assert page.status_code == 200
    assert "Yes, send me the papers" in page.text
    assert visit.subscriber().status is Status.PENDING
    assert "You’re subscribed" in visit.browser.post(f"/confirm/{token}").text
    assert visit.subscriber().status is Status.CONFIRMED


def test_preferences_can_be_chosen_while_confirming(visit: Visit) -> None:
    visit.browser.post("/subscribe", data={"email": ADDRESS})
    token = visit.token(Purpose.CONFIRM, visit.subscriber())
    form = {"topics": ["vision", "agents"], "papers": "3", "hour": "20", "zone": "Berlin", "frequency": "workdays"}
    wrong = visit.browser.post(f"/confirm/{token}", data=form | {"papers": "99"})
    assert wrong.status_code == 400
    assert 'id="papers-wrong">Enter a number from 1 to 25.' in wrong.text
    assert 'href="#papers"' in wrong.text
    assert "<details open>" in wrong.text
    assert 'value="vision" checked' in wrong.text, "what was chosen is still there"
    assert visit.subscriber().status is Status.PENDING
    visit.browser.post(f"/confirm/{token}", data=form)
    wishes = visit.subscriber().preferences
    assert (wishes.topics, wishes.papers, wishes.hour, wishes.zone) == (("agents", "vision"), 3, 20, "Europe/Berlin")


def test_a_used_link_says_that_it_worked(visit: Visit) -> None:
    subscriber = visit.subscribed()
    link = f"/confirm/{visit.token(Purpose.CONFIRM, subscriber)}"
    for answer in (visit.browser.get(link), visit.browser.post(link)):
        assert answer.status_code == 200
        assert "You’re subscribed" in answer.text


def test_a_link_of_four_days_ago_offers_a_new_one(visit: Visit, clock: Clock) -> None:
    visit.browser.post("/subscribe", data={"email": ADDRESS})
    link = f"/confirm/{visit.token(Purpose.CONFIRM, visit.subscriber())}"
    clock.move_to(START + timedelta(days=4))
    for answer in (visit.browser.get(link), visit.browser.post(link)):
        assert answer.status_code == 410
        assert "Send me a new link" in answer.text
    assert visit.subscriber().status is Status.PENDING
    again = visit.browser.post(link, data={"again": "yes"})
    assert "a new link arrives within minutes" in again.text
    assert visit.queued() == ["confirmation", "confirmation"]
    assert visit.subscriber().status is Status.PENDING


def test_an_old_link_brings_nobody_back(visit: Visit) -> None:
    subscriber = visit.subscribed()
    subscriptions.unsubscribe(visit.engine, subscriber.id, START, "test")
    link = f"/confirm/{visit.token(Purpose.CONFIRM, subscriber)}"
    for answer in (visit.browser.get(link), visit.browser.post(link)):
        assert answer.status_code == 410
    assert visit.subscriber().status is Status.UNSUBSCRIBED

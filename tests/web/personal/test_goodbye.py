"""The ways of unsubscribing that are confirmed by a last message."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from digest.ledger.kinds import Status
from digest.subscribers.tokens import Purpose
from digest.web.app import create_app
from tests.web.conftest import Visit

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def page_of(visit: Visit) -> str:
    return f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscribed())}"


def test_a_press_on_our_page_queues_a_goodbye_and_drops_a_hint(visit: Visit) -> None:
    path = page_of(visit)
    visit.hints.clear()
    visit.browser.post(path)
    assert visit.queued() == ["confirmation", "goodbye"]
    assert len(visit.hints) == 1


def test_so_does_the_button_of_the_preferences(visit: Visit) -> None:
    path = f"/preferences/{visit.token(Purpose.MANAGE, visit.subscribed())}"
    visit.hints.clear()
    for _ in range(2):  # the second time there is nothing to send
        assert "You’ve unsubscribed" in visit.browser.post(path, data={"action": "unsubscribe"}).text
    assert visit.queued() == ["confirmation", "goodbye"]
    assert len(visit.hints) == 1


def test_a_click_that_a_mail_program_made_is_followed_by_no_mail(visit: Visit) -> None:
    """RFC 8058: whoever clicks there wants to hear no more, and may have called us spam in the same breath."""
    path = page_of(visit)
    visit.browser.post(path, data={"List-Unsubscribe": "One-Click"})
    visit.browser.post(path)
    assert visit.subscriber().status is Status.UNSUBSCRIBED
    assert visit.queued() == ["confirmation"]


def test_who_never_confirmed_gets_none(visit: Visit) -> None:
    visit.browser.post("/subscribe", data={"email": "pending@example.org"})
    visit.browser.post(f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscriber('pending@example.org'))}")
    assert visit.queued() == ["confirmation"]


def test_an_operator_can_do_without(visit: Visit, settings) -> None:
    app = create_app(visit.engine, settings.model_copy(update={"goodbye": False}), lambda: None)
    visit = replace(visit, browser=TestClient(app, base_url="http://127.0.0.1:8000"))
    visit.browser.post(page_of(visit))
    assert visit.subscriber().status is Status.UNSUBSCRIBED
    assert visit.queued() == ["confirmation"]

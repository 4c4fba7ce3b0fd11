"""Exporting and deleting need a link that was just emailed; old links can be turned off, except for unsubscribing."""

import email
import re
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from email.policy import default
from pathlib import Path

import pytest

from digest.database.engine import transaction
from digest.ledger.kinds import Kind, Status, SuppressionReason
from digest.mail.message import Branding
from digest.smtp import Relay, Security, Sender
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import Subscriber
from digest.subscribers.suppressions import suppress
from digest.subscribers.tokens import FRESH_FOR, Purpose
from tests.conftest import Clock
from tests.support.scenario import ON_SQLITE, desk
from tests.support.smtp_server import SmtpServer
from tests.support.workers import postman
from tests.web.conftest import ADDRESS, SECRET, START, Visit

AN_HOUR = timedelta(hours=1)
DATA = ("export", "erase", "revoke")


def preferences(visit: Visit, subscriber: Subscriber, purpose: Purpose = Purpose.MANAGE) -> str:
    return f"/preferences/{visit.token(purpose, subscriber, START)}"


def actions(page: str) -> set[str]:
    """The values of the buttons of a page."""
    return set(re.findall(r'name="action" value="(\w+)"', page))


@pytest.fixture
def ada(visit: Visit) -> Subscriber:
    return visit.subscribed()


def deliver(visit: Visit, server: SmtpServer, folder: Path) -> None:
    """Deliver what the pages have queued, with links to them."""
    context = replace(desk(), branding=Branding("Daily Papers", "http://127.0.0.1:8000"), link_keys=(SECRET.encode(),))
    with (
        closing(Sender([Relay("127.0.0.1", server.port, Security.NONE)], 1)) as sender,
        closing(postman(visit.engine, sender, folder / "journal", lambda: START + AN_HOUR, desk_=context)) as worker,
    ):
        worker.deliver_due(10)


def test_a_link_in_an_email_that_was_forwarded_neither_exports_nor_deletes(visit: Visit, ada: Subscriber) -> None:
    for purpose, issued in ((Purpose.MANAGE, START), (Purpose.FRESH, START - FRESH_FOR - AN_HOUR)):
        link = f"/preferences/{visit.token(purpose, ada, issued)}"
        assert actions(visit.browser.get(link).text) == {"unsubscribe", "link"}
        before = visit.everything()
        for action in DATA:
            refused = visit.browser.post(link, data={"action": action, "sure": "yes"})
            assert (refused.status_code, "ask for a new link" in refused.text) == (403, True)
        assert visit.everything() == before


def test_the_emailed_link_opens_the_data_for_a_day_and_then_the_preferences_only(
    visit: Visit, ada: Subscriber, clock: Clock, smtp_server: SmtpServer, tmp_path: Path
) -> None:
    notice = visit.browser.post(preferences(visit, ada), data={"action": "link"}).text
    assert "We’re emailing you a link" in notice
    assert visit.hints, "the workers are told"
    deliver(visit, smtp_server, tmp_path)
    message = email.message_from_bytes(smtp_server.taken[-1].content, policy=default)
    body = message.get_body(("plain",))
    assert body is not None
    link = re.findall(r"http://127.0.0.1:8000(/preferences/\S+)", body.get_content())[0]
    assert {*DATA, "unsubscribe"} == actions(visit.browser.get(link).text)
    assert visit.browser.post(link, data={"action": "export"}).json()["subscriber"]["email"] == ADDRESS
    clock.move_to(START + FRESH_FOR + AN_HOUR)
    assert actions(visit.browser.get(link).text) == {"unsubscribe", "link"}


def test_a_fresh_link_is_emailed_once_a_day_whoever_has_a_link_and_however_often_they_ask(
    visit: Visit, ada: Subscriber, clock: Clock
) -> None:
    for day in range(5):
        clock.move_to(START + timedelta(hours=25 * day))
        for _ in range(20):
            answer = visit.browser.post(preferences(visit, ada), data={"action": "link"}).text
        assert "already emailed you a link in the last 24 hours" in answer
        assert visit.queued().count(Kind.LINK) == day + 1, "there is always one that works"


@ON_SQLITE
def test_a_stranger_at_the_form_for_lost_links_cannot_use_up_the_links_of_a_subscriber(
    visit: Visit, ada: Subscriber, clock: Clock
) -> None:
    for day in range(4):
        clock.move_to(START + timedelta(hours=25 * day))
        visit.browser.post("/manage", data={"email": ADDRESS})
    assert visit.queued().count(Kind.LINK) == 3
    assert "We’re emailing you" in visit.browser.post(preferences(visit, ada), data={"action": "link"}).text


def test_who_has_unsubscribed_can_delete_their_data_too(
    visit: Visit, ada: Subscriber, smtp_server: SmtpServer, tmp_path: Path
) -> None:
    subscriptions.unsubscribe(visit.engine, ada.id, START, "one-click")
    visit.browser.post(preferences(visit, ada), data={"action": "link"})
    deliver(visit, smtp_server, tmp_path)
    assert sum(b":link:" in taken.content for taken in smtp_server.taken) == 1
    deleted = visit.browser.post(preferences(visit, ada, Purpose.FRESH), data={"action": "erase", "sure": "yes"})
    assert "has been deleted" in deleted.text


@ON_SQLITE
def test_an_address_that_gets_no_email_is_told_whom_to_write_to(visit: Visit, ada: Subscriber) -> None:
    with transaction(visit.engine) as connection:
        suppress(connection, ada.key, SuppressionReason.OPERATOR, "", START)
    answer = visit.browser.post(preferences(visit, ada), data={"action": "link"}).text
    assert "We can’t email this address, so please write to us: help@example.org" in answer
    assert Kind.LINK not in visit.queued()


# --- turning off old links ---


def test_old_links_end_when_they_are_turned_off_and_go_on_to_unsubscribe(visit: Visit, ada: Subscriber) -> None:
    fresh = preferences(visit, ada, Purpose.FRESH)
    old = [preferences(visit, ada), fresh, f"/feedback/{visit.token(Purpose.FEEDBACK, ada, START)}"]
    leave = f"/u/{visit.token(Purpose.UNSUBSCRIBE, ada, START)}"
    page = visit.browser.post(fresh, data={"action": "revoke"})
    assert "no longer work" in page.text
    for link in old:
        for method in ("GET", "POST"):
            ended = visit.browser.request(method, link, data={"papers": "3"} if method == "POST" else None)
            assert (ended.status_code, "has been turned off" in ended.text) == (410, True)
    assert visit.subscriber().preferences == ada.preferences
    new = str(page.url)
    assert actions(visit.browser.get(new).text) >= set(DATA), "they go on with a link that works"
    later = visit.subscriber()
    for purpose in (Purpose.MANAGE, Purpose.FRESH):
        assert visit.browser.get(preferences(visit, later, purpose)).status_code == 200
    assert visit.browser.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert visit.subscriber().status is Status.UNSUBSCRIBED


def test_asking_for_a_link_ends_no_other(visit: Visit, ada: Subscriber, clock: Clock) -> None:
    links = [preferences(visit, ada), f"/feedback/{visit.token(Purpose.FEEDBACK, ada, START)}"]
    visit.browser.post("/manage", data={"email": ADDRESS})
    clock.move_to(START + timedelta(hours=25))
    visit.browser.post(links[0], data={"action": "link"})
    assert visit.queued().count(Kind.LINK) == 2
    assert [visit.browser.get(link).status_code for link in links] == [200, 200]


def test_turning_off_links_leaves_the_time_of_a_fresh_one_as_it_was(
    visit: Visit, ada: Subscriber, clock: Clock
) -> None:
    clock.move_to(START + FRESH_FOR - AN_HOUR)
    link = str(visit.browser.post(preferences(visit, ada, Purpose.FRESH), data={"action": "revoke"}).url)
    clock.move_to(START + FRESH_FOR + AN_HOUR)
    assert actions(visit.browser.get(link).text) == {"unsubscribe", "link"}

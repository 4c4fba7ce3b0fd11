"""Unsubscribing: by one click, by the page, by a damaged link, and undoing it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from digest.database.engine import read_only, transaction
from digest.ledger.events import latest
from digest.ledger.kinds import Status
from digest.subscribers import subscriptions
from digest.subscribers.preferences import DEFAULTS
from digest.subscribers.store import add_request
from digest.subscribers.subscriber import Consent, Frequency, event_subject
from digest.subscribers.suppressions import is_suppressed
from digest.subscribers.tokens import Purpose, sign
from tests.conftest import Clock
from tests.support.scenario import ON_SQLITE
from tests.web.conftest import ADDRESS, START, Visit

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.mark.parametrize("encoding", ["data", "files"])
def test_one_click_unsubscribes_in_both_encodings(visit: Visit, encoding: str) -> None:
    """RFC 8058 §3.2: urlencoded or multipart; 200, no redirect, no cookie."""
    subscriber = visit.subscribed()
    body = ONE_CLICK if encoding == "data" else {name: (None, value) for name, value in ONE_CLICK.items()}
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, subscriber)}"
    answer = visit.browser.post(url, **{encoding: body}, follow_redirects=False)  # type: ignore[arg-type]
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    assert visit.subscriber().status is Status.UNSUBSCRIBED


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://mail.example"},
        {"Cookie": "session=1"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/octet-stream"},
    ],
)
def test_one_click_works_from_anywhere_and_with_any_body(visit: Visit, headers: dict[str, str]) -> None:
    subscriber = visit.subscribed()
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, subscriber)}"
    assert visit.browser.post(url, content=b"List-Unsubscribe=One-Click", headers=headers).status_code == 200
    assert visit.subscriber().status is Status.UNSUBSCRIBED


def test_the_second_click_says_that_it_was_done(visit: Visit) -> None:
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscribed())}"
    assert "You’ve unsubscribed" in visit.browser.post(url).text
    second = visit.browser.post(url)
    assert second.status_code == 200
    assert "You’d already unsubscribed" in second.text


def test_the_link_of_somebody_erased_is_answered_like_any_other(visit: Visit) -> None:
    reader, erased = visit.subscribed(), visit.subscribed("erased@example.org")
    subscriptions.erase(visit.engine, erased.id, START)
    urls = [f"/u/{visit.token(Purpose.UNSUBSCRIBE, whose)}" for whose in (reader, erased)]
    for method in ("GET", "POST"):
        answers = [visit.browser.request(method, url) for url in urls]
        assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}


def test_a_damaged_unsubscribe_link_says_so_and_leads_to_another_way_out(visit: Visit) -> None:
    reader = visit.subscribed()
    token = visit.token(Purpose.UNSUBSCRIBE, reader)
    foreign = sign(Purpose.UNSUBSCRIBE, reader.id, START, [b"another key, as long as it has to be"])
    damaged = [token[:-1], token[:-1] + ".", token[1:], token.lower(), token + "x", "x" * 32, "nonsense", "", "a/b"]
    damaged += [token + "&gt;", token[:9] + "%0A" + token[9:], "%0A" + token, token[:9] + "%E2%80%8B" + token[9:]]
    for text in (*damaged, foreign, visit.token(Purpose.MANAGE, reader)):
        for answer in (
            visit.browser.get(f"/u/{text}"),
            visit.browser.post(f"/u/{text}"),
            visit.browser.post(f"/u/{text}", data=ONE_CLICK),
            visit.browser.post(f"/u/{text}", data={"undo": "yes"}),
            visit.browser.post(f"/u/{text}", data={"tell": "yes", "why": "too many"}),
        ):
            assert answer.status_code == 404, text
            assert "It’s damaged, so nothing has changed." in answer.text
            assert 'action="/manage"' in answer.text
    assert visit.subscriber().status is Status.CONFIRMED


@ON_SQLITE
@pytest.mark.parametrize(
    "damage", ["{0:.31}", "{}x", "{}/", "{}/issue", "{0:.9}/x", "%0A{}", "{}%0Ax/y", "{}/more%3E/1"]
)
@pytest.mark.parametrize("page", ["feedback", "preferences", "u"])
def test_every_damaged_personal_address_leads_to_a_new_link(visit: Visit, page: str, damage: str) -> None:
    purpose = {"preferences": Purpose.MANAGE, "u": Purpose.UNSUBSCRIBE}.get(page, Purpose.FEEDBACK)
    for method in ("GET", "POST"):
        token = visit.token(purpose, visit.subscriber() if method == "POST" else visit.subscribed())
        answer = visit.browser.request(method, f"/{page}/{damage.format(token)}")
        is_forgiven = damage == "{}/" and page in ("preferences", "u")
        assert answer.status_code == (200 if is_forgiven else 404)
        assert is_forgiven or 'action="/manage"' in answer.text


@ON_SQLITE
@pytest.mark.parametrize("added", [".", ">", "),", "%3E", "3D", "=3D", "]", "%22", "!", "/", "_", "%20"])
def test_punctuation_that_a_mail_program_adds_to_a_link_does_not_keep_anybody_subscribed(
    visit: Visit, added: str
) -> None:
    reader = visit.subscribed()
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, reader)}{added}"
    assert visit.browser.get(url).status_code == 200
    assert visit.browser.post(url, data=ONE_CLICK).status_code == 200
    assert visit.subscriber().status is Status.UNSUBSCRIBED
    preferences = visit.browser.get(f"/preferences/{visit.token(Purpose.MANAGE, reader)}{added}")
    assert preferences.status_code == 200


def test_a_slip_of_the_finger_can_be_undone_for_an_hour(visit: Visit, clock: Clock) -> None:
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscribed())}"
    assert 'name="undo"' in visit.browser.post(url).text
    assert "You’re subscribed again" in visit.browser.post(url, data={"undo": "yes"}).text
    assert visit.subscriber().status is Status.CONFIRMED
    visit.browser.post(url)
    clock.move_to(START + timedelta(hours=2))
    assert visit.browser.post(url, data={"undo": "yes"}).status_code == 410
    assert visit.subscriber().status is Status.UNSUBSCRIBED


@pytest.mark.parametrize("more", [{"undo": "yes"}, {"instead": "weekly"}, {"instead": "pause"}])
def test_one_click_is_never_taken_for_anything_else(visit: Visit, more: dict[str, str]) -> None:
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscribed())}"
    visit.browser.post(url, data=ONE_CLICK | more)
    assert visit.subscriber().status is Status.UNSUBSCRIBED


@pytest.mark.parametrize("has_left", [False, True])
def test_fewer_emails_are_offered_before_and_after_unsubscribing(visit: Visit, has_left: bool) -> None:
    before = replace(DEFAULTS, topics=("vision",), hour=9)
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscribed())}"
    subscriptions.change_preferences(visit.engine, visit.subscriber().id, before, START)
    page = (visit.browser.post if has_left else visit.browser.get)(url)
    assert page.text.index("submit") < page.text.index('value="weekly"') < page.text.index('value="pause"')
    assert "every Monday" in visit.browser.post(url, data={"instead": "weekly"}).text
    assert visit.subscriber().status is Status.CONFIRMED
    weekly = replace(before, frequency=Frequency.WEEKLY, weekdays=frozenset([0]))
    assert visit.subscriber().preferences == weekly
    assert "23 December 2026" in visit.browser.post(url, data={"instead": "pause"}).text
    assert visit.subscriber().preferences == replace(weekly, paused_until=START.date() + timedelta(days=30))


def test_an_own_weekday_and_a_longer_pause_are_kept(visit: Visit) -> None:
    until = START.date() + timedelta(days=99)
    before = replace(DEFAULTS, frequency=Frequency.WEEKLY, weekdays=frozenset([4]), paused_until=until)
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscribed())}"
    subscriptions.change_preferences(visit.engine, visit.subscriber().id, before, START)
    assert "every Friday" in visit.browser.post(url, data={"instead": "weekly"}).text
    visit.browser.post(url, data={"instead": "pause"})
    assert visit.subscriber().preferences == before


@pytest.mark.parametrize("who", ["pending", "left long ago", "erased"])
@pytest.mark.parametrize("instead", ["weekly", "pause", "x"])
def test_fewer_emails_never_start_what_has_ended(visit: Visit, clock: Clock, who: str, instead: str) -> None:
    if who == "pending":
        visit.browser.post("/subscribe", data={"email": ADDRESS})
        url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscriber())}"
    else:
        url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscribed())}"
    if who == "left long ago":
        visit.browser.post(url)
        clock.move_to(START + timedelta(hours=2))
    if who == "erased":
        subscriptions.erase(visit.engine, visit.subscriber().id, START)
    before = visit.everything()
    assert visit.browser.post(url, data={"instead": instead}).status_code == 410
    assert visit.everything() == before


def test_one_click_reads_nothing_of_the_subscriber(visit: Visit) -> None:
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, visit.subscribed())}"
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        statements.append(statement.split()[0])

    event.listen(visit.engine, "before_cursor_execute", note)
    assert visit.browser.post(url, data=ONE_CLICK).status_code == 200
    assert [verb for verb in statements if verb != "BEGIN"] == [
        "WITH",
        "INSERT",
        "INSERT",
    ]  # the change, its event, and the outbox
    assert visit.subscriber().status is Status.UNSUBSCRIBED


@pytest.mark.parametrize("before", ["confirmed", "pending", "asked again", "unsubscribed"])
def test_unsubscribing_ends_whatever_there_is(visit: Visit, before: str) -> None:
    if before == "pending":
        visit.browser.post("/subscribe", data={"email": ADDRESS})
        subscriber = visit.subscriber()
    else:
        subscriber = visit.subscribed()
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, subscriber)}"
    if before in ("asked again", "unsubscribed"):
        visit.browser.post(url, data=ONE_CLICK)
    if before == "asked again":
        with transaction(visit.engine) as connection:
            add_request(connection, subscriber.id, Consent(START, "", "web 1"))
    visit.browser.post(url, data=ONE_CLICK)
    assert visit.subscriber().status is Status.UNSUBSCRIBED
    with read_only(visit.engine) as connection:
        assert is_suppressed(connection, subscriber.key) == (before in ("pending", "asked again"))
        recorded = [happened.what for happened in latest(connection, 9, event_subject(subscriber.key))]
    assert recorded.count("unsubscribed") == (2 if before == "asked again" else 1)

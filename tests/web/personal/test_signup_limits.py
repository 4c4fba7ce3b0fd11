"""The forms refuse floods, programs and addresses of roles, and never reveal anything about an address."""

import re
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from markupsafe import escape
from sqlalchemy import event
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from digest.database.engine import read_only, transaction
from digest.ledger import events
from digest.ledger.kinds import SuppressionReason
from digest.settings import Settings
from digest.subscribers import subscriptions
from digest.subscribers.admission import EVENTS
from digest.subscribers.subscriber import recipient_key
from digest.subscribers.suppressions import suppress
from digest.web.app import create_app
from digest.web.personal import signup
from tests.conftest import Clock
from tests.support.scenario import ON_SQLITE
from tests.web.conftest import ADDRESS, SECRET, START, Visit

FORMS = pytest.mark.parametrize("path", ["/subscribe", "/manage"])
MADE = re.compile(r'name="made" value="([^"]+)"')
Browser = Callable[[str], TestClient]


@pytest.fixture
def browser_at(visit: Visit, settings: Settings) -> Browser:
    """Browsers at other network addresses, of a site with the default limits."""
    limits = {"requested_per_hour": None}
    app = create_app(visit.engine, settings.model_copy(update=limits), lambda: visit.hints.append(None))
    return lambda host: TestClient(app, base_url="http://127.0.0.1:8000", client=(host, 5000))


def form(browser: TestClient, path: str = "/", **fields: str) -> dict[str, str]:
    """The form on a page, filled in."""
    made = MADE.search(browser.get(path).text)
    assert made is not None
    return {"made": made[1], "email": ADDRESS, "website": ""} | fields


# --- limits ---


@FORMS
def test_a_client_beyond_its_limit_is_told_when_to_try_again_and_loses_nothing(
    browser_at: Browser, visit: Visit, path: str
) -> None:
    browser = browser_at("192.0.2.1")
    codes = [browser.post(path, data={"email": f"ada{n}@example.org"}).status_code for n in range(8)]
    assert codes == [200] * 5 + [429] * 3, "without the time of a form each counts twice"
    refused = browser.post(path, data={"email": ADDRESS})
    assert 600 < int(refused.headers["retry-after"]) <= 720
    assert "Too many requests came from your network. Please try again in 12 minutes." in refused.text
    assert f'value="{ADDRESS}"' in refused.text
    assert visit.queued() == (["confirmation"] * 5 if path == "/subscribe" else [])
    assert browser_at("192.0.2.2").post(path, data={"email": ADDRESS}).status_code == 200


@FORMS
def test_beyond_a_limit_all_addresses_get_the_same_answer(browser_at: Browser, visit: Visit, path: str) -> None:
    visit.subscribed("confirmed@example.org")
    left = visit.subscribed("left@example.org")
    subscriptions.unsubscribe(visit.engine, left.id, START, "test")
    with transaction(visit.engine) as connection:
        suppress(connection, recipient_key("shut@example.org", SECRET.encode()), SuppressionReason.REFUSED, "", START)
    browser = browser_at("192.0.2.1")
    answers = []
    for name in ("new", "confirmed", "left", "shut") * 2:
        answer = browser.post(path, data={"email": f"{name}@example.org"})
        text = MADE.sub("", answer.text.replace(f"{name}@example.org", ""))
        answers.append((answer.status_code, text, answer.headers.get("retry-after", "")[:2]))
    assert len({answer[:2] for answer in answers[:5]}) == 1
    assert {answer[0] for answer in answers[5:]} == {429}
    assert len({answer[1:] for answer in answers[5:]}) == 1


@ON_SQLITE
@FORMS
def test_a_flood_is_refused_with_a_page_that_is_kept_for_some_minutes(
    browser_at: Browser, clock: Clock, path: str
) -> None:
    forms = []
    for seconds, name in ((0, "o'hara&co"), (2, "eve"), (3600, "mallory")):
        browser = browser_at(f"192.0.{seconds}.1" if seconds < 256 else "203.0.113.1")
        clock.move_to(START + timedelta(seconds=seconds))
        for number in range(5):
            browser.post(path, data={"email": f"{name}{number}@example.org"})
        refused = browser.post(path, data={"email": f"{name}@example.org"})
        made = MADE.search(refused.text)
        assert refused.status_code == 429
        assert f'value="{escape(name)}@example.org"' in refused.text
        assert made
        forms.append(made[1])
    assert forms[0] == forms[1] != forms[2]
    later = browser_at("198.51.100.1").post(path, data={"email": ADDRESS, "made": forms[0]})
    assert later.status_code == 200
    assert "Check your inbox" in later.text


def test_a_flood_from_one_network_leaves_room_for_people_elsewhere(browser_at: Browser, visit: Visit) -> None:
    for number in range(40):
        browser_at(f"192.0.2.{number}").post("/subscribe", data={"email": f"ada@victim{number}.example"})
    assert len(visit.queued()) == 15
    for number in range(20):
        answer = browser_at(f"198.51.{number}.1").post("/subscribe", data={"email": f"ada{number}@example.org"})
        assert answer.status_code == 200
    assert len(visit.queued()) == 35


def test_the_operator_is_told_of_a_flood_once(browser_at: Browser, visit: Visit) -> None:
    browser = browser_at("192.0.2.1")
    for number in range(9):
        browser.post("/subscribe", data={"email": f"ada@victim{number}.example"})
    with read_only(visit.engine) as connection:
        told = events.latest(connection, 10, EVENTS)
    assert [(event.what, event.detail) for event in told] == [("refused requests", {"limit": "client"})]


# --- programs ---


@FORMS
def test_a_form_that_a_person_filled_in_is_taken(browser_at: Browser, clock: Clock, path: str) -> None:
    browser = browser_at("192.0.2.1")
    filled = form(browser, "/manage" if path == "/manage" else "/")
    clock.move_to(START + timedelta(seconds=2))
    assert [browser.post(path, data=filled).status_code for _ in range(11)] == [200] * 10 + [429]


@FORMS
@pytest.mark.parametrize("age", [timedelta(0), timedelta(days=8), timedelta(days=-1)])
def test_a_form_that_comes_back_too_fast_or_too_late_is_shown_again_with_the_address(
    browser_at: Browser, visit: Visit, clock: Clock, path: str, age: timedelta
) -> None:
    browser = browser_at("192.0.2.1")
    filled = form(browser)
    clock.move_to(START + age)
    asked = browser.post(path, data=filled)
    assert asked.status_code == 400
    assert "Please click the button again." in asked.text
    assert visit.queued() == []
    made, email = MADE.search(asked.text), re.search(r'name="email"[^>]* value="([^"]*)"', asked.text)
    assert made is not None
    assert email is not None
    clock.move_to(START + age + timedelta(seconds=5))
    assert browser.post(path, data={"made": made[1], "email": email[1]}).status_code == 200


def test_a_time_that_we_did_not_sign_is_not_taken(browser_at: Browser, visit: Visit, clock: Clock) -> None:
    browser = browser_at("192.0.2.1")
    made = form(browser)["made"]
    clock.move_to(START + timedelta(days=30))
    later = f"{int((START + timedelta(days=30, seconds=-5)).timestamp()):x}-{made.partition('-')[2]}"
    for forged in (later, made[:-1], "x", f"{made}\n", "-", "٣" * 8 + "-" + "0" * 24):
        assert browser.post("/subscribe", data={"email": ADDRESS, "made": forged}).status_code == 400
    assert visit.queued() == []


def test_the_time_of_its_form_does_not_make_a_page_another_one(visit: Visit, clock: Clock) -> None:
    first = visit.browser.get("/")
    clock.move_to(START + timedelta(seconds=10))
    again = visit.browser.get("/", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert visit.browser.get("/").content != first.content


# --- roles ---


@pytest.mark.parametrize("address", ["postmaster@example.org", "Abuse+x@example.org", "info@mail.example.org"])
def test_addresses_of_roles_are_refused_for_a_reason(visit: Visit, address: str) -> None:
    refused = visit.browser.post("/subscribe", data={"email": address})
    assert refused.status_code == 400
    assert "This address belongs to a role, not to a person." in refused.text
    assert visit.queued() == []
    assert visit.browser.post("/manage", data={"email": address}).status_code == 200, "it may have been imported"


# --- time ---


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("path", "trap"), [("/subscribe", ""), ("/subscribe", "a program fills this in"), ("/manage", "")]
)
def test_answers_come_at_a_fixed_instant(visit: Visit, monkeypatch: pytest.MonkeyPatch, path: str, trap: str) -> None:
    visit.browser.post(path, data={"email": ADDRESS})  # from now on the templates are compiled
    monkeypatch.setattr(signup, "ANSWER_SECONDS", 0.4)
    began = time.perf_counter()
    assert visit.browser.post(path, data={"email": ADDRESS, "website": trap}).status_code == 200
    assert time.perf_counter() - began >= 0.4


@FORMS
def test_the_work_before_an_answer_is_the_same_for_every_address(visit: Visit, path: str) -> None:
    visit.subscribed("confirmed@example.org")
    left = visit.subscribed("left@example.org")
    subscriptions.unsubscribe(visit.engine, left.id, START, "test")
    with transaction(visit.engine) as connection:
        suppress(connection, recipient_key("shut@example.org", SECRET.encode()), SuppressionReason.OPERATOR, "", START)
    work = [statements_before_the_answer(visit, path, name) for name in ("new", "confirmed", "left", "shut")]
    assert work[0]
    assert work == [work[0]] * 4


def statements_before_the_answer(visit: Visit, path: str, name: str) -> list[str]:
    statements: list[str] = []

    def note(*arguments: object) -> None:
        statements.append(str(arguments[2]))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def answering(message: Message) -> None:
            statements.append(message["type"])
            await send(message)

        await visit.browser.app(scope, receive, answering)

    event.listen(visit.engine, "before_cursor_execute", note)
    TestClient(app, base_url="http://127.0.0.1:8000").post(path, data={"email": f"{name}@example.org"})
    event.remove(visit.engine, "before_cursor_execute", note)
    return statements[: statements.index("http.response.start")]

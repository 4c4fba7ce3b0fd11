"""Endpoints of webhooks in the console."""

import re

import pytest
from sqlalchemy import update

from digest.clock import now
from digest.database.engine import read_only, transaction
from digest.database.tables import webhook_events
from digest.ledger import events
from digest.ledger.outbox import EventState, EventType, NewEvent, publish
from digest.monitoring.operators import OperatorRole
from digest.monitoring.webhooks.endpoints import all_endpoints, secret_of
from digest.monitoring.webhooks.events import stored_events
from tests.support.scenario import SECRET
from tests.web.conftest import Visit
from tests.web.console import operators_pages
from tests.web.console.conftest import SignIn, do, form_token

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
URL = "https://hooks.example.org/digest?token=abc123"


def add(ada, url: str = URL, *types: str) -> str:
    return do(ada, "/console/webhooks/add", url=url, events=list(types) or ["issue.cut"], description="the chat")


def endpoint(visit: Visit):
    with read_only(visit.engine) as connection:
        return all_endpoints(connection, now())[0]


def log_of(visit: Visit) -> list[tuple[str, str]]:
    with read_only(visit.engine) as connection:
        return [(each.what, each.detail["by"]) for each in events.latest(connection, 20, "webhook:1")]


def test_the_secret_of_a_new_endpoint_is_shown_once_and_a_token_in_its_address_never(visit: Visit, ada) -> None:
    shown = re.search(r'value="(whsec_[^"]+)"', add(ada))
    assert shown is not None
    secret = secret_of(SECRET, endpoint(visit).salts[0])
    assert shown[1] == secret
    pages = [ada.get(f"/console{path}").text for path in ("/webhooks", "/webhooks/1", "/log", "/webhooks/1/remove")]
    assert [word for page in pages for word in (secret, secret[6:], "abc123") if word in page] == []
    assert all("hooks.example.org/digest?token=…" in page for page in pages[:2])
    renewed = do(ada, "/console/webhooks/1/rotate")
    assert secret not in renewed
    assert secret_of(SECRET, endpoint(visit).salts[0]) in renewed
    assert log_of(visit) == [("webhook secret rotated", "ada"), ("webhook added", "ada")]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.org/", "this is not a web address"),
        ("http://hooks.example.org/", "use https://"),
        ("https://ada:secret@example.org/", "leave out blanks, user names"),
        ("https://example.org:port/", "this is not a web address"),
        ("https://" + "a" * 600, "this is not a web address"),
    ],
)
def test_an_address_that_cannot_be_used_is_not_added_and_says_why(visit: Visit, ada, url: str, why: str) -> None:
    token = form_token(ada.get("/console").text)
    answer = ada.post("/console/webhooks/add", data={"form_token": token, "url": url, "events": ["issue.cut"]})
    assert (answer.status_code, why in answer.text) == (400, True)
    with read_only(visit.engine) as connection:
        assert all_endpoints(connection, now()) == []


def test_an_endpoint_without_events_or_with_one_that_does_not_exist_is_not_added(visit: Visit, ada) -> None:
    token = form_token(ada.get("/console").text)
    for types in ([], ["issue.eaten"], ["webhook.test"]):
        answer = ada.post("/console/webhooks/add", data={"form_token": token, "url": URL, "events": types})
        assert answer.status_code == 400
    assert ada.get("/console/webhooks/1").status_code == 404


def test_an_operator_disables_enables_tests_replays_and_removes(visit: Visit, ada) -> None:
    add(ada)
    assert "disabled since" in do(ada, "/console/webhooks/1/disable", reason="they move")
    with transaction(visit.engine) as connection:
        publish(connection, EventType.ISSUE_CUT, now(), [NewEvent({"number": 1})])
    page = ada.get("/console/webhooks/1").text
    assert [words for words in ("they move", ">1; the oldest") if words not in page] == []
    assert "What has waited is sent now." in do(ada, "/console/webhooks/1/enable")
    assert "A test is on its way." in do(ada, "/console/webhooks/1/test")
    with read_only(visit.engine) as connection:
        test, cut = stored_events(connection, 10)
    assert (test.type, cut.type) == ("webhook.test", "issue.cut")
    fail(visit)
    page = do(ada, "/console/webhooks/1/replay", event=cut.webhook_id)
    assert "They are sent again now." in page
    assert states(visit) == [EventState.FAILED, EventState.PENDING]
    assert "Nothing changed" in do(ada, "/console/webhooks/1/replay", since=str((now()).date().replace(year=2099)))
    assert "They are sent again now." in do(ada, "/console/webhooks/1/replay", since=str(now().date()))
    assert states(visit) == [EventState.PENDING, EventState.PENDING]
    assert "The endpoint is removed." in do(ada, "/console/webhooks/1/remove")
    assert states(visit) == []
    assert [what for what, _ in log_of(visit)] == [
        "webhook removed",
        "webhook events replayed",
        "webhook events replayed",
        "webhook tested",
        "webhook enabled",
        "webhook disabled",
        "webhook added",
    ]


def fail(visit: Visit) -> None:
    with transaction(visit.engine) as connection:
        connection.execute(update(webhook_events).values(state="failed", finished_at=now(), attempts=10))


def states(visit: Visit) -> list[EventState]:
    with read_only(visit.engine) as connection:
        return [event.state for event in stored_events(connection, 10)]


def test_an_answer_of_a_receiver_is_text_on_the_page(visit: Visit, ada, signed_in: SignIn) -> None:
    add(ada)
    with transaction(visit.engine) as connection:
        publish(connection, EventType.ISSUE_CUT, now(), [NewEvent()])
        connection.execute(update(webhook_events).values(answer="<script>alert(1)</script>", status=500, attempts=1))
    viewer = signed_in("eve", OperatorRole.VIEWER)
    for browser in (ada, viewer):
        page = browser.get("/console/webhooks/1").text
        assert "&lt;script&gt;alert(1)" in page
        assert "<script>alert" not in page


def test_events_are_listed_in_parts_by_an_index(visit: Visit, ada, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("digest.web.console.webhooks._ROWS", 2)
    add(ada)
    with transaction(visit.engine) as connection:
        publish(connection, EventType.ISSUE_CUT, now(), [NewEvent() for _ in range(5)])
    ids = operators_pages.all_parts(ada, "/console/webhooks/1", r"<code>(msg_\w+)</code>")
    assert (len(ids), len(set(ids))) == (5, 5)
    plan = operators_pages.plan_of(visit.engine, lambda connection: stored_events(connection, 50, 1))
    assert "ix_webhook_events_endpoint" in plan

"""Programs read and change the installation through the API."""

import json
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from digest.database.engine import read_only
from digest.ledger import events
from digest.monitoring.api_tokens import TokenScope
from digest.subscribers.subscriber import event_subject
from digest.subscribers.suppressions import all_suppressions
from tests.support.scenario import add_papers, add_subscriber, cut
from tests.web.api.conftest import Program
from tests.web.conftest import START, Visit

TODAY = START.date()
JSON = {"Content-Type": "application/json"}
ISSUE = f"/issues/{TODAY}/daily"


def every_item(client: TestClient, path: str, **query: object) -> list[dict]:
    """All entries of a list, by following the links of its answers."""
    found, answer = [], client.get(path, params=query)
    while True:
        assert answer.status_code == 200, answer.text
        document = answer.json()
        found += document["items"]
        if document["next"] is None:
            assert "link" not in answer.headers
            return found
        assert len(document["items"]) == query["limit"]
        assert f"cursor={document['next']}" in answer.headers["link"]
        answer = client.get(answer.links["next"]["url"])


# --- subscribers ---


def test_a_list_goes_on_where_it_was_when_entries_are_added_meanwhile(visit: Visit, program: Program) -> None:
    for number in range(5):
        add_subscriber(visit.engine, f"ada{number}@example.org")
    client = program(TokenScope.SUBSCRIBERS_READ)
    first = client.get("/subscribers", params={"limit": 2}).json()
    add_subscriber(visit.engine, "new@example.org")
    rest = every_item(client, "/subscribers", limit=2, cursor=first["next"])
    assert [each["address"] for each in (*first["items"], *rest)] == [f"ada{n}@example.org" for n in (4, 3, 2, 1, 0)]


def test_subscribers_are_listed_by_status_and_address(visit: Visit, program: Program) -> None:
    for number in range(5):
        add_subscriber(visit.engine, f"ada{number}@example.org", None if number % 2 else START)
    client = program(TokenScope.SUBSCRIBERS_READ)
    pending = every_item(client, "/subscribers", status="pending", limit=1)
    assert [each["address"] for each in pending] == ["ada3@example.org", "ada1@example.org"]
    (only,) = every_item(client, "/subscribers", address="ada2@EXAMPLE.org", limit=1)
    assert client.get(f"/subscribers/{only['id']}").json() == only
    assert every_item(client, "/subscribers", address="ada2@example.org", status="pending", limit=1) == []
    assert every_item(client, "/subscribers", address="no address", limit=1) == []


def test_an_address_is_asked_to_confirm_once_however_often_it_is_sent(visit: Visit, program: Program) -> None:
    client = program(TokenScope.SUBSCRIBERS_WRITE)
    wants = {"topics": ["vision"], "frequency": "weekly", "weekday": 3, "papers": 5, "zone": "Europe/Berlin"}
    answers = [client.post("/subscribers", json={"address": "ada@example.org", "preferences": wants}) for _ in "ab"]
    assert [answer.status_code for answer in answers] == [201, 200]
    document = answers[0].json()
    assert (document["status"], document["preferences"]) == ("pending", document["preferences"] | wants)
    assert answers[1].json() == document
    assert answers[0].headers["location"].endswith(f"/api/v1/subscribers/{document['id']}")
    assert (visit.queued(), len(visit.hints)) == (["confirmation"], 2)


def test_with_the_source_of_their_consent_someone_is_subscribed_at_once(visit: Visit, program: Program) -> None:
    client = program(TokenScope.SUBSCRIBERS_WRITE)
    answer = client.post("/subscribers", json={"address": "ada@example.org", "consented": "the fair"})
    assert (answer.status_code, answer.json()["status"]) == (201, "confirmed")
    subscriber = visit.subscriber()
    assert subscriber.consent.form == "import: the fair"
    assert visit.queued() == []
    with read_only(visit.engine) as connection:
        (event,) = events.latest(connection, 1, event_subject(subscriber.key))
    assert (event.detail["by"], event.detail["through"]) == ("program 1", "api")


def test_an_address_that_must_not_be_asked_is_a_conflict_with_a_reason(visit: Visit, program: Program) -> None:
    client = program(TokenScope.SUBSCRIBERS_WRITE)
    number = client.post("/subscribers", json={"address": "left@example.org", "consented": "x"}).json()["id"]
    assert client.post(f"/subscribers/{number}/unsubscribe").json()["status"] == "unsubscribed"
    assert client.post(f"/subscribers/{number}/unsubscribe").status_code == 200
    answer = client.post("/subscribers", json={"address": "left@example.org", "consented": "x"})
    assert (answer.status_code, answer.json()["reason"]) == (409, "left")
    program(TokenScope.SUPPRESSIONS_WRITE).post("/suppressions", json={"address": "no@example.org"})
    answer = client.post("/subscribers", json={"address": "no@example.org"})
    assert (answer.status_code, answer.json()["reason"]) == (409, "suppressed")


def test_preferences_that_are_left_out_stay_and_the_rules_are_those_of_the_form(visit: Visit, program: Program) -> None:
    ada = add_subscriber(
        visit.engine, "ada@example.org", topics=("vision",), keywords=("graphs",), muted_words=("x y",)
    )
    client = program(TokenScope.SUBSCRIBERS_WRITE)
    path = f"/subscribers/{ada.id}/preferences"
    until = str(TODAY + timedelta(days=9))

    def change(**changes: object) -> dict:
        answer = client.patch(path, json=changes)
        assert answer.status_code == 200, answer.text
        return answer.json()["preferences"]

    before = client.patch(path, json={}).json()["preferences"]
    assert change(papers=3) == before | {"papers": 3}
    assert change(muted_words=[], paused_until=until) == before | {
        "papers": 3,
        "muted_words": [],
        "paused_until": until,
    }
    assert change(paused_until=None)["paused_until"] == str(TODAY)  # the day on which the pause ended
    weekly = change(frequency="weekly", weekday=4)
    assert (weekly["frequency"], weekly["weekday"]) == ("weekly", 4)
    assert change(frequency="weekly")["weekday"] == 4
    assert change(weekday=5)["weekday"] == 5
    assert change(frequency="workdays")["weekday"] is None
    assert change(balance="only")["balance"] == "only"
    for changes, field in (
        ({"weekday": 1}, "/weekday"),
        ({"zone": "Moon/Base"}, "/zone"),
        ({"categories": ["cs.XX"]}, "/categories"),
        ({"topics": ["cooking"]}, "/topics/0"),
        ({"paused_until": str(TODAY)}, "/paused_until"),
        ({"papers": True}, "/papers"),
        ({"papers": "5"}, "/papers"),
        ({"keyword": ["graphs"]}, "/keyword"),
        ({"topics": [], "keywords": []}, "/balance"),
        ({"keywords": ["\x00\ud800"]}, "/keywords/0"),
    ):
        answer = client.patch(path, content=json.dumps(changes), headers=JSON)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field), changes


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/not%0Aa/path",
        "/subscribers/9",
        "/subscribers/9/deliveries",
        "/subscribers?cursor=x",
        "/subscribers?cursor=WyJ4Il0",
        "/suppressions?cursor=WzEsMl0",
        "/papers/9",
        f"/issues/{TODAY}/weekly",
        f"/issues/{TODAY}/weekly/preview",
        f"/suppressions/{'0' * 32}",
    ],
)
def test_what_does_not_exist_is_a_problem_document(visit: Visit, program: Program, path: str) -> None:
    answer = program().get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["status"] == 404


def test_errors_before_and_beside_the_endpoints_are_problem_documents_too(visit: Visit, program: Program) -> None:
    client = program()
    wrong = {
        413: client.post("/subscribers", content=b"x" * 70_000, headers=JSON),
        405: client.put("/subscribers", json={}),
        422: client.post("/subscribers", content=b"{", headers=JSON),
        400: client.get("/subscribers?address=%00"),
        403: client.post("/suppressions", json={"address": "a@b.de"}, headers={"Sec-Fetch-Site": "cross-site"}),
    }
    for status, answer in wrong.items():
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert (answer.json()["status"], answer.headers["cache-control"]) == (status, "no-store")
    assert wrong[405].headers["allow"] == "GET, POST"
    unknown = client.get("/subscribers?stauts=pending")
    assert (unknown.status_code, unknown.json()["errors"][0]["field"]) == (422, "stauts")


# --- suppressions ---


def test_an_address_is_suppressed_found_and_allowed_again(visit: Visit, program: Program) -> None:
    client = program(TokenScope.SUPPRESSIONS_READ, TokenScope.SUPPRESSIONS_WRITE)
    ada = add_subscriber(visit.engine, "ada@example.org")
    body = {"address": "ada@example.org", "reason": "by phone"}
    answers = [client.post("/suppressions", json=body) for _ in "ab"]
    assert [answer.status_code for answer in answers] == [201, 200]
    client.post("/suppressions", json={"address": "eve@example.org"})
    listed = every_item(client, "/suppressions", limit=1)
    assert {each["address"] for each in listed} == {"ada@example.org", None}
    (only,) = every_item(client, "/suppressions", address="ada@example.org", limit=1)
    assert (only["key"], only["reason"], only["detail"]) == (ada.key, "operator", "by phone")
    path = f"/suppressions/{only['key']}"
    assert client.get(path).json() == only
    assert [client.delete(path).status_code for _ in "ab"] == [204, 404]
    with read_only(visit.engine) as connection:
        assert [each.address for each in all_suppressions(connection)] == [None]


# --- issues, papers, deliveries ---


@pytest.fixture
def sent(visit: Visit) -> Visit:
    """An issue that three subscribers wait for."""
    for name in ("bob", "eve", "tim"):
        add_subscriber(visit.engine, f"{name}@example.org", hour=23)
    add_papers(visit.engine, range(7), START)
    cut(visit.engine, TODAY, START)
    return visit


def test_an_issue_is_paused_resumed_cancelled_and_withdrawn_as_in_the_console(sent: Visit, program: Program) -> None:
    client = program(TokenScope.ISSUES_WRITE)

    def do(action: str, **body: str) -> tuple[str, bool, int]:
        answer = client.post(f"{ISSUE}/{action}", json=body) if body else client.post(f"{ISSUE}/{action}")
        assert answer.status_code == 200, answer.text
        document = answer.json()
        issue = document["issue"]
        return issue["status"], issue["withdrawn_at"] is not None, document["deliveries"]["queued"]

    assert do("pause", reason="wrong  list") == ("paused", False, 3)
    assert do("pause") == ("paused", False, 3)
    with read_only(sent.engine) as connection:
        (event,) = events.latest(connection, 1, f"issue:{TODAY}")
    assert event.detail == {"reason": "wrong list", "by": "program 1", "through": "api"}
    assert (do("resume"), len(sent.hints)) == (("running", False, 3), 1)
    assert do("withdraw", reason="wrong") == ("cancelled", True, 0)
    assert do("show-again") == ("cancelled", False, 0)
    assert do("cancel") == ("cancelled", False, 0)
    answer = client.post(f"{ISSUE}/resume")
    assert (answer.status_code, answer.json()["reason"]) == (409, "cancelled")


def test_issues_papers_and_deliveries_are_listed_in_parts(sent: Visit, program: Program) -> None:
    client = program()
    assert [each["date"] for each in every_item(client, "/issues", limit=1)] == [str(TODAY)]
    sums = client.get(ISSUE).json()["deliveries"]
    assert (sums["queued"], sums["accepted"], sums["skipped"]) == (3, 0, {})
    ranked = every_item(client, f"{ISSUE}/papers", limit=2)
    assert [each["rank"] for each in ranked] == list(range(1, len(ranked) + 1))
    papers = every_item(client, "/papers", limit=2)
    assert {each["id"] for each in papers} == {f"2603.{number:05}" for number in range(7)}
    paper = client.get(f"/papers/{papers[0]['id']}").json()
    assert (paper["title"], paper["votes"][0]["source"]) == (papers[0]["title"], "huggingface")
    deliveries = every_item(client, "/deliveries", limit=2)
    assert [each["id"] for each in deliveries] == sorted((each["id"] for each in deliveries), reverse=True)
    of_issue = every_item(client, f"{ISSUE}/deliveries", limit=2)
    assert every_item(client, f"{ISSUE}/deliveries", limit=2, state="refused") == []
    assert client.get("/deliveries?state=queued").status_code == 422
    assert sorted(each["id"] for each in of_issue) == sorted(each["id"] for each in deliveries)
    bob = sent.subscriber("bob@example.org")
    (own,) = every_item(client, f"/subscribers/{bob.id}/deliveries", limit=2)
    assert (own["kind"], own["state"], own["why"][:3]) == ("digest", "queued", "due")
    assert every_item(client, "/bounces", limit=2) == []


def test_the_message_of_an_issue_is_previewed_and_checked(sent: Visit, program: Program) -> None:
    client = program(TokenScope.ISSUES_READ)
    preview = client.get(f"{ISSUE}/preview").json()
    assert "Paper number 0" in preview["html"]
    assert "Paper number 0" in preview["text"]
    assert preview["subject"]
    assert preview["rules_followed"] == preview["rules"] - len(preview["lint"])
    chinese = client.get(f"{ISSUE}/preview?language=zh-CN").json()
    assert chinese["text"] != preview["text"]


def test_the_status_is_that_of_the_console(sent: Visit, program: Program) -> None:
    status = program(TokenScope.STATUS_READ).get("/status").json()
    assert status["level"] == "critical"
    assert {each["name"] for each in status["problems"]} >= {"no-scheduler", "no-worker"}
    assert (status["issues"][0]["unfinished"], status["subscribers"]) == (3, {"confirmed": 3})

"""The protection of the endpoints, and the error pages."""

import re
from pathlib import Path

import pytest
import structlog
from sqlalchemy import Engine, create_engine
from starlette.testclient import TestClient

from digest.database.engine import connect, transaction
from digest.database.migrate import migrate
from digest.mail.pauses import EVERYTHING, Pause, set_pause
from digest.resources import resource
from digest.settings import Settings
from digest.subscribers.tokens import Purpose
from digest.web.app import create_app
from digest.web.guard import MAX_BODY, redacted
from tests.support.scenario import MORNING
from tests.web.conftest import ADDRESS, Visit

HOST = "127.0.0.1:8000"


def client(engine: Engine, settings: Settings) -> TestClient:
    return TestClient(create_app(engine, settings, lambda: None), raise_server_exceptions=False)


# --- cross-site forms ---


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": f"http://{HOST}"}, 200),
        ({"Origin": "https://papers.example", "Host": "papers.example"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": f"http://{HOST}"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": f"http://{HOST}.evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
def test_forms_of_other_sites_are_refused(visit: Visit, headers: dict[str, str], status: int) -> None:
    answer = visit.browser.post("/subscribe", data={"email": ADDRESS}, headers=headers)
    assert answer.status_code == status
    assert len(visit.queued()) == (status == 200)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "null"}, 200),
        ({"Origin": f"http://{HOST}"}, 200),
        ({"Origin": "null", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
    ],
)
def test_a_browser_that_hides_where_a_personal_form_came_from_can_use_it(
    visit: Visit, headers: dict[str, str], status: int
) -> None:
    visit.browser.post("/subscribe", data={"email": ADDRESS})
    confirm = f"/confirm/{visit.token(Purpose.CONFIRM, visit.subscriber())}"
    assert visit.browser.post(confirm, headers=headers).status_code == status
    visit.browser.post(confirm)
    for purpose, path in ((Purpose.MANAGE, "preferences"), (Purpose.FEEDBACK, "feedback")):
        url = f"/{path}/{visit.token(purpose, visit.subscriber())}"
        assert visit.browser.post(url, headers=headers).status_code == status


# --- size ---


def test_a_body_that_is_too_big_is_refused_before_it_is_parsed(visit: Visit) -> None:
    fits = visit.browser.post("/subscribe", content=b"email=" + b"x" * (MAX_BODY - 6))
    assert fits.status_code == 400
    too_big = visit.browser.post("/subscribe", content=b"email=" + b"x" * MAX_BODY)
    assert too_big.status_code == 413
    assert "more text than this form accepts" in too_big.text


def test_a_body_without_a_length_is_counted(visit: Visit) -> None:
    chunks = (b"x" * 1000 for _ in range(1000))
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert visit.browser.post("/subscribe", content=chunks, headers=headers).status_code == 413
    assert next(chunks, None) is None, "the test client reads ahead; the guard itself stops at the limit"


@pytest.mark.parametrize("length", ["-1", "abc", "99999999999999999999999999", "१"])
def test_a_senseless_length_is_refused(visit: Visit, length: str) -> None:
    headers = {b"Content-Length": length.encode()}
    assert visit.browser.post("/subscribe", content=b"x=1", headers=headers).status_code == 413  # type: ignore[arg-type]


def test_files_and_floods_of_fields_are_refused(visit: Visit) -> None:
    assert visit.browser.post("/subscribe", files={"email": ("a.txt", b"ada@example.org")}).status_code == 400
    assert visit.browser.post("/subscribe", content="&".join(f"f{n}=" for n in range(300))).status_code in (400, 413)
    assert visit.queued() == []


# --- headers ---


def test_every_answer_forbids_scripts_frames_and_guessing(visit: Visit) -> None:
    subscriber = visit.subscribed()
    paths = ["/", "/nothing", "/issues", "/manage", "/healthz", "/static/digest.css", "/issues/x"]
    paths += [f"/u/{visit.token(Purpose.UNSUBSCRIBE, subscriber)}", "/confirm/x"]
    for path in paths:
        headers = visit.browser.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        # With no-referrer, browsers that send no Sec-Fetch-Site post "Origin: null", and are refused.
        assert headers["referrer-policy"] == "same-origin"
        assert "set-cookie" not in headers


def test_pages_behind_a_personal_link_are_neither_kept_nor_passed_on(visit: Visit) -> None:
    subscriber = visit.subscribed()
    for purpose, page in ((Purpose.MANAGE, "preferences"), (Purpose.UNSUBSCRIBE, "u"), (Purpose.CONFIRM, "confirm")):
        for method in ("GET", "POST"):
            headers = visit.browser.request(method, f"/{page}/{visit.token(purpose, subscriber)}").headers
            assert headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "same-origin"
            assert headers["x-robots-tag"] == "noindex"


def test_no_page_needs_what_the_policy_forbids() -> None:
    for template in (resource("templates") / "web").glob("*.html"):
        text = template.read_text()
        assert not re.search(
            r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src=| type=.application/ld.json.>)|\|\s*safe", text
        ), template.name
        assert "https://" not in text, template.name


def test_the_style_sheet_can_be_kept_for_long(visit: Visit) -> None:
    address = re.search(r'href="(/static/digest\.css\?v=\w+)"', visit.browser.get("/").text)
    assert address
    first = visit.browser.get(address[1])
    assert first.headers["content-type"] == "text/css; charset=utf-8"
    assert "immutable" in first.headers["cache-control"]
    assert "immutable" not in visit.browser.get("/static/digest.css?v=older").headers["cache-control"]
    again = visit.browser.get(address[1], headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = re.search(r"icon\.svg\?v=(\w+)", visit.browser.get("/").text)
    assert other
    assert "immutable" not in visit.browser.get(f"/static/digest.css?v={other[1]}").headers["cache-control"]
    for name in ("..%2Fbase.html", "base.html", "nothing.css"):
        assert visit.browser.get(f"/static/{name}").status_code == 404


# --- the log ---


def test_the_log_never_shows_a_token_or_an_address(visit: Visit) -> None:
    with structlog.testing.capture_logs() as logs:
        subscriber = visit.subscribed()
        tokens = [visit.token(purpose, subscriber) for purpose in Purpose]
        pages = ("confirm", "preferences", "preferences", "u", "list", "list", "address/old", "address/new", "feedback")
        for page, token in zip(pages, tokens, strict=True):
            visit.browser.get(f"/{page}/{token}")
            visit.browser.post(f"/{page}/{token}/extra")
    requests = [entry for entry in logs if entry["event"] == "request"]
    assert requests[0] | {"ms": 0} == {
        "event": "request",
        "log_level": "info",
        "method": "POST",
        "path": "/subscribe",
        "status": 200,
        "ms": 0,
    }
    said = repr(logs)
    assert not any(token in said for token in tokens)
    assert ADDRESS not in said


def test_the_log_has_the_address_of_a_client_only_if_the_operator_asks_for_it(engine, settings):
    def logged(log_clients: bool) -> list[str | None]:
        with structlog.testing.capture_logs() as logs:
            client(engine, settings.model_copy(update={"log_clients": log_clients})).get("/healthz")
        return [entry.get("client") for entry in logs]

    assert logged(False) == [None]
    assert logged(True) == ["testclient"]


def test_a_redacted_path_still_says_which_page() -> None:
    assert redacted("/preferences/abc") == "/preferences/…"
    assert redacted("/u/abc/def") == "/u/…"
    assert redacted("/u/\nabc\ndef") == "/u/…"
    assert redacted("/issues/2026-11-23") == "/issues/2026-11-23"


# --- trouble ---


def test_unknown_pages_and_methods_are_answered_in_words(visit: Visit) -> None:
    missing = visit.browser.get("/nothing")
    assert missing.status_code == 404
    assert "Page not found" in missing.text
    wrong = visit.browser.request("DELETE", "/manage")
    assert wrong.status_code == 405
    assert "can’t be used that way" in wrong.text
    assert wrong.headers["allow"]


def test_frameworks_own_pages_are_off(visit: Visit) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert visit.browser.get(path).status_code == 404


def test_a_host_header_leads_nowhere(visit: Visit) -> None:
    for path in ("/", "/issues/", "/manage"):
        answer = visit.browser.get(path, headers={"Host": "evil.example"}, follow_redirects=False)
        assert answer.status_code in (200, 404)
        assert "evil.example" not in answer.text + str(answer.headers)


def test_a_fault_of_ours_is_admitted_without_details(
    visit: Visit, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(f"details about {ADDRESS}")

    monkeypatch.setattr("digest.web.personal.signup.store_request", broken)
    answer = client(visit.engine, settings).post("/subscribe", data={"email": ADDRESS})
    assert answer.status_code == 500
    assert "Something went wrong" in answer.text
    assert ADDRESS not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_an_unreachable_database_is_said_in_plain_words(settings: Settings) -> None:
    away = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", connect_args={"connect_timeout": 1})
    browser = client(away, settings)
    for answer in (browser.get("/"), browser.post("/subscribe", data={"email": ADDRESS})):
        assert answer.status_code == 503
        assert "nothing has changed" in answer.text
    assert browser.get("/healthz").status_code == 200
    ready = browser.get("/readyz")
    assert (ready.status_code, ready.json()["database"]) == (503, "unreachable")


def test_an_unwritable_database_is_said_in_plain_words(sqlite_template: Path, settings: Settings) -> None:
    readonly = connect(f"sqlite:///file:{sqlite_template}?mode=ro&immutable=1&uri=true")
    with structlog.testing.capture_logs() as logs:
        answer = client(readonly, settings).post("/subscribe", data={"email": ADDRESS})
    assert answer.status_code == 503
    assert "nothing has changed" in answer.text
    assert any(entry["log_level"] == "error" for entry in logs)
    assert ADDRESS not in repr(logs)


# --- readiness ---


def test_a_migrated_database_is_ready(visit: Visit) -> None:
    assert visit.browser.get("/healthz").json() == {"status": "ok"}
    ready = visit.browser.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "database": "ok"})


def test_a_database_without_tables_is_not_ready(tmp_path: Path, settings: Settings) -> None:
    answer = client(connect(f"sqlite:///{tmp_path}/empty.sqlite", create=True), settings).get("/readyz")
    assert (answer.status_code, answer.json()["database"]) == (503, "needs digest migrate")


def test_readiness_needs_the_database_alone(visit: Visit, settings: Settings) -> None:
    with transaction(visit.engine) as connection:
        set_pause(connection, Pause(EVERYTHING, MORNING, None, "550 5.7.1 rejected by policy"))
    away = settings.model_copy(update={"redis_url": type(settings.redis_url)("redis://127.0.0.1:1/0")})
    answer = client(visit.engine, away).get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ready", "database": "ok"})


def test_before_the_database_is_migrated_a_page_says_what_to_do(tmp_path: Path, settings: Settings) -> None:
    url = f"sqlite:///{tmp_path}/empty.sqlite"
    engine = connect(url, create=True)
    browser = client(engine, settings)
    for path in ("/", "/issues", "/search?q=graphs"):
        answer = browser.get(path)
        assert (answer.status_code, "Run: digest migrate" in answer.text) == (503, True)
    migrate(url)
    assert browser.get("/").status_code == 200
    engine.dispose()


def test_a_database_of_a_later_version_is_named_on_the_page(visit: Visit, settings: Settings) -> None:
    with transaction(visit.engine) as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    browser = client(visit.engine, settings)
    for path in ("/", "/readyz"):
        answer = browser.get(path)
        assert (answer.status_code, "A later version of Digest" in answer.text) == (503, True)

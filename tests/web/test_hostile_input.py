"""Control characters and odd encodings in requests are answered with an error for the client, on both databases."""

from urllib.parse import quote

import pytest

from digest.subscribers.tokens import Purpose
from tests.web.conftest import ADDRESS, Visit

pytestmark = pytest.mark.both_databases

CONTROLS = [quote("\0"), quote("\x01\x1b[31m\x7f\x85\u2028\ufffe\U0001f600") + "%ED%A0%80%FF"]
FIELDS = [
    "email",
    "paper",
    "papers",
    "words",
    "keywords",
    "category",
    "topics",
    "muted_topics",
    "zone",
    "language",
    "say",
]
FIELDS += [
    "why",
    "vote",
    "unvote",
    "unmute",
    "undo",
    "hour",
    "pause_until",
    "balance",
    "frequency",
    "weekday",
    "website",
]
PATHS = ["/{}", "/issues/{}", "/issues/2026-11-23/{}", "/papers/{}", "/topics/{}", "/topics/{}/feed.atom", "/static/{}"]
TOKENS = [
    "/confirm/{}",
    "/preferences/{}",
    "/u/{}",
    "/feedback/{}",
    "/feedback/{}/more/2511.00001",
    "/suggest/{}",
    "/list/{}/feed.atom",
    "/list/{}",
    "/list/{}/saved.bib",
]
QUERIES = [
    "/search?q=a{}b",
    "/search?q={}&page=2",
    "/?email={}",
    "/issues?month={}",
    "/manage?email={}",
    "/privacy?{}=1",
]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # SQLite takes any text
@pytest.mark.parametrize("control", CONTROLS, ids=["NUL", "others"])
def test_control_characters_are_no_fault_of_ours(visit: Visit, control: str) -> None:
    subscriber = visit.subscribed()
    token = visit.token(Purpose.FEEDBACK, subscriber)
    preferences = f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}"
    statuses = {path: visit.browser.get(path.format(control)).status_code for path in (*PATHS, *TOKENS, *QUERIES)}
    if control == quote("\0"):
        assert {statuses[path] for path in (*PATHS, *QUERIES)} == {400}
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    everything = "&".join(f"{field}=a{control}b%40example.org" for field in FIELDS)
    for path in ("/subscribe", "/manage", f"/feedback/{token}", f"/feedback/{token}/more/2511{control}"):
        statuses[f"POST {path}"] = visit.browser.post(path, content=everything, headers=headers).status_code
    for field in everything.split("&"):
        statuses[f"POST {field}"] = visit.browser.post(preferences, content=field, headers=headers).status_code
        assert statuses[f"POST {field}"] == 400 or control != quote("\0")
    assert {path: status for path, status in statuses.items() if status >= 500} == {}


def test_one_click_unsubscribes_whatever_the_body_holds(visit: Visit) -> None:
    token = visit.token(Purpose.UNSUBSCRIBE, visit.subscribed())
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = visit.browser.post(f"/u/{token}", content="List-Unsubscribe=One-Click%00", headers=headers)
    assert answer.status_code == 200
    assert visit.subscriber().status == "unsubscribed"


@pytest.mark.parametrize("charset", ["idna", "undefined", "punycode", "unicode_escape", "utf-7", "nothing"])
def test_a_form_in_an_odd_encoding_is_refused(visit: Visit, charset: str) -> None:
    headers = {"Content-Type": f"multipart/form-data; charset={charset}; boundary=x"}
    body = f'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\n{ADDRESS}..\\ud800-\r\n--x--\r\n'
    assert visit.browser.post("/subscribe", content=body, headers=headers).status_code == 400
    assert visit.queued() == []


def test_control_characters_in_headers_are_no_fault_of_ours(visit: Visit) -> None:
    for name in ("Accept-Language", "User-Agent", "Referer", "Origin", "If-None-Match", "If-Modified-Since", "Cookie"):
        for value in (b"\x01\x1b[31m", b"\xff\xfe", b"\xed\xa0\x80", b"a" * 8_000):
            answer = visit.browser.get("/", headers={name.encode(): value})  # type: ignore[arg-type]
            assert answer.status_code < 500, name

"""Personal links: opening one changes nothing, each opens only its own page, and a lost one is mailed."""

import hmac

import pytest
from starlette.testclient import TestClient

from digest.settings import Settings
from digest.subscribers.tokens import Purpose, sign
from digest.web.app import create_app
from tests.support.scenario import add_papers
from tests.web.conftest import ADDRESS, SECRET, START, Visit

PATHS = {
    Purpose.CONFIRM: ("/confirm/{}",),
    Purpose.MANAGE: ("/preferences/{}",),
    Purpose.UNSUBSCRIBE: ("/u/{}",),
    Purpose.FEEDBACK: ("/feedback/{}", "/feedback/{}/more/2603.00001"),
}


def test_reading_a_link_never_changes_anything(visit: Visit) -> None:
    """Mail scanners open every link, many times, in every way that is said to be safe."""
    subscriber = visit.subscribed()
    visit.browser.post("/subscribe", data={"email": "pending@example.org"})
    pending = visit.subscriber("pending@example.org")
    before = visit.everything()
    visit.hints.clear()
    links = [
        f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}",
        f"/preferences/{visit.token(Purpose.FRESH, subscriber)}",
        f"/u/{visit.token(Purpose.UNSUBSCRIBE, subscriber)}",
    ]
    links += [f"/confirm/{visit.token(Purpose.CONFIRM, one)}" for one in (subscriber, pending)]
    links += ["/", "/subscribe", "/manage", "/issues", "/issues/2026-11-23", "/papers/2405.17247"]
    for link in links:
        for method in ("GET", "HEAD", "OPTIONS"):
            for query in ("", "?List-Unsubscribe=One-Click", "?action=erase&sure=yes&undo=yes&again=yes&revoked=1"):
                assert visit.browser.request(method, link + query).status_code in (200, 404, 405)
    assert visit.everything() == before
    assert visit.hints == []


@pytest.mark.parametrize(
    "token", ["x", "x" * 32, "x" * 5000, "%00", "%F0%9F%98%80", "..%2F..%2Fetc", "A" * 31 + "=", "%0d%0aSet-Cookie:a=b"]
)
def test_a_wrong_token_gets_a_clear_page(visit: Visit, token: str) -> None:
    visit.subscribed()
    before = visit.everything()
    for page in ("confirm", "preferences"):
        for method in ("GET", "POST"):
            answer = visit.browser.request(method, f"/{page}/{token}")
            assert answer.status_code == 404
            assert "set-cookie" not in answer.headers
            assert "This link doesn’t work" in answer.text or "Page not found" in answer.text
    assert visit.everything() == before


def test_links_open_only_what_they_are_for(visit: Visit) -> None:
    subscriber = visit.subscribed()
    for purpose in (Purpose.UNSUBSCRIBE, Purpose.CONFIRM):
        assert visit.browser.get(f"/preferences/{visit.token(purpose, subscriber)}").status_code == 404
    foreign = sign(Purpose.MANAGE, subscriber.id, START, [b"another key, as long as it has to be"])
    assert visit.browser.get(f"/preferences/{foreign}").status_code == 404


def test_the_page_that_unsubscribes_holds_no_other_link(visit: Visit) -> None:
    """An unsubscribe link, which mail providers and forwarded messages have, must not open the preferences."""
    subscriber = visit.subscribed()
    url = f"/u/{visit.token(Purpose.UNSUBSCRIBE, subscriber)}"
    for page in (visit.browser.get(url), visit.browser.post(url), visit.browser.post(url)):
        assert "/preferences/" not in page.text
        assert ADDRESS not in page.text


def test_the_lost_link_is_mailed_to_readers(visit: Visit) -> None:
    visit.subscribed()
    assert visit.browser.get("/manage").status_code == 200
    visit.browser.post("/manage", data={"email": ADDRESS})
    assert visit.queued() == ["confirmation", "link"]
    wrong = visit.browser.post("/manage", data={"email": "ada"})
    assert wrong.status_code == 400
    assert 'id="email-wrong"' in wrong.text


def test_an_installation_under_a_path_links_to_itself(visit: Visit) -> None:

    settings = Settings(secret_key=SECRET, public_url="https://lab.example/papers")  # type: ignore[arg-type]
    page = TestClient(create_app(visit.engine, settings, lambda: None)).get("/").text
    assert 'action="/papers/subscribe"' in page
    assert 'href="/papers/issues"' in page
    assert 'href="/papers/static/digest.css' in page


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_token_is_verified_once_a_request(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    add_papers(visit.engine, range(1, 3))
    subscriber = visit.subscribed()
    visit.browser.post("/subscribe", data={"email": "pending@example.org"})
    verified, compare = [], hmac.compare_digest

    def counting(one: bytes, other: bytes) -> bool:
        verified.append(one)
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    for purpose, paths in PATHS.items():
        whose = visit.subscriber("pending@example.org") if purpose is Purpose.CONFIRM else subscriber
        for path in paths:
            for method in ("GET", "POST"):
                verified.clear()
                answer = visit.browser.request(method, path.format(visit.token(purpose, whose)), follow_redirects=False)
                assert (answer.status_code in (200, 303), len(verified)) == (True, 1), (method, path)

"""Personal links: whose they are is found out once a request."""

import hmac

import pytest

from digest.subscribers.tokens import Purpose
from tests.support.scenario import add_papers
from tests.web.conftest import Visit

PATHS = {
    Purpose.CONFIRM: ("/confirm/{}",),
    Purpose.MANAGE: ("/preferences/{}",),
    Purpose.UNSUBSCRIBE: ("/u/{}",),
    Purpose.FEEDBACK: ("/feedback/{}", "/feedback/{}/more/2603.00001"),
}


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
                answer = visit.browser.request(method, path.format(visit.token(purpose, whose)))
                assert (answer.status_code, len(verified)) == (200, 1), (method, path)

"""Limits on the requests of a token, and of a client with wrong tokens."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from digest.database.engine import read_only
from digest.database.tables import api_tokens, buckets
from digest.monitoring.api_tokens import TokenScope, new_token
from digest.subscribers import admission
from digest.subscribers.admission import SecretKind
from tests.support.scenario import ON_SQLITE
from tests.web.api.conftest import Program
from tests.web.conftest import START, Visit

pytestmark = ON_SQLITE


def ask(visit: Visit, token: str, client: str = "192.0.2.1") -> tuple[int, int]:
    """The status for a token that a client shows, and the seconds after which it may try again."""
    browser = TestClient(visit.browser.app, "http://127.0.0.1:8000", client=(client, 1))
    answer = browser.get("/api/v1/papers", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, int(answer.headers.get("retry-after", 0))


def test_a_token_may_send_so_many_requests_and_no_other_token_suffers(
    visit: Visit, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "API_REQUESTS_AN_HOUR", 40)
    busy, other = program(TokenScope.PAPERS_READ), program(TokenScope.PAPERS_READ)
    answers = [busy.get("/papers") for _ in range(41)]
    assert [answer.status_code for answer in answers] == [200] * 40 + [429]
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert 1500 < int(answers[-1].headers["retry-after"]) <= 1800  # until the next 20
    assert other.get("/papers").status_code == 200


def test_reading_writes_once_in_many_requests(visit: Visit, program: Program) -> None:
    client = program(TokenScope.PAPERS_READ)
    client.get("/papers")
    before = visit.everything()
    assert [client.get("/papers").status_code for _ in range(19)] == [200] * 19
    assert visit.everything() == before
    client.get("/papers")
    assert visit.everything() != before
    with read_only(visit.engine) as connection:
        used_at = connection.scalar(select(api_tokens.c.last_used_at))
    assert used_at is not None
    assert used_at - START < timedelta(minutes=5)


def test_a_client_with_many_wrong_tokens_is_refused_but_never_a_right_one(
    visit: Visit, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(admission.ATTEMPTS_AN_HOUR, SecretKind.API, 3)
    right = program(TokenScope.PAPERS_READ).headers["authorization"].removeprefix("Bearer ")
    assert [ask(visit, new_token())[0] for _ in range(4)] == [401, 401, 401, 429]
    assert ask(visit, new_token())[1] > 1000
    assert ask(visit, right) == (200, 0)
    assert ask(visit, new_token(), "198.51.100.1")[0] == 401


def test_what_cannot_be_a_token_never_reaches_the_database(visit: Visit) -> None:
    assert {ask(visit, "digest_" + "a" * 38)[0] for _ in range(5)} == {401}
    with read_only(visit.engine) as connection:
        assert connection.execute(select(buckets)).all() == []

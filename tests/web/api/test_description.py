"""The description of the API: as committed, and as it answers."""

import json
from pathlib import Path

import pytest

from digest.monitoring.api_tokens import Scope
from digest.subscribers import admission
from digest.web.api.app import openapi
from digest.web.app import create_app
from tests.support.scenario import ON_SQLITE, add_subscriber
from tests.web.api.api_fuzzing import fuzz
from tests.web.api.conftest import Tokens
from tests.web.conftest import Visit
from tests.web.rendered_pages import serving

COMMITTED = Path(__file__).parents[3] / "docs" / "openapi.json"


def test_the_committed_description_is_that_of_the_code() -> None:
    assert json.loads(COMMITTED.read_text()) == json.loads(json.dumps(openapi())), "run: make docs"


@pytest.fixture
def api(filled: Visit, settings, monkeypatch: pytest.MonkeyPatch):
    """The address of a site with something of each kind."""
    monkeypatch.setattr(admission, "API_REQUESTS_AN_HOUR", 10_000_000)
    for number in range(3):
        add_subscriber(filled.engine, f"ada{number}@example.org")
    with serving(create_app(filled.engine, settings, lambda: None)) as url:
        yield url


@ON_SQLITE
@pytest.mark.timeout(240)
def test_the_api_answers_as_it_is_described(api: str, tokens: Tokens) -> None:
    findings = fuzz(api, tokens.new(*Scope), 10, ("examples", "coverage", "fuzzing", "stateful"))
    open("/tmp/fail.txt", "w").write(
        "\n\n".join(findings.failures) + repr((findings.cases, findings.seconds, sorted(findings.answers.items())))
    )
    assert findings.failures == []

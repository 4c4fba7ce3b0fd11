"""Thousands of requests to the API that nobody would think of."""

import sys

import pytest

from digest.monitoring.api_tokens import TokenScope
from tests.support.scenario import ON_SQLITE
from tests.web.api.api_fuzzing import fuzz
from tests.web.api.conftest import ISSUE, Tokens, api, tokens
from tests.web.conftest import filled, filled_sqlite, settings, visit

__all__ = ["api", "filled", "filled_sqlite", "settings", "tokens", "visit"]
ALL = ("examples", "coverage", "fuzzing", "stateful")


@ON_SQLITE
@pytest.mark.timeout(3600)
def test_no_request_gets_an_answer_that_is_not_described(api: str, tokens: Tokens) -> None:
    token = tokens.new(*TokenScope)
    findings, of_an_issue = fuzz(api, token, 60, ALL), fuzz(api, token, 30, ALL, ISSUE)
    counted = sorted((findings.answers + of_an_issue.answers).items())
    seconds = findings.seconds + of_an_issue.seconds
    sys.stdout.write(f"{findings.cases} + {of_an_issue.cases} requests, {seconds:.0f} s of CPU: {counted}\n")
    assert (findings.failures, of_an_issue.failures) == ([], [])
    assert findings.cases >= 2_000

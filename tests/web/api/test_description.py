"""The API answers as its description says."""

import pytest

from digest.monitoring.api_tokens import TokenScope
from tests.support.scenario import ON_SQLITE
from tests.web.api.api_fuzzing import fuzz
from tests.web.api.conftest import ISSUE, Tokens


@ON_SQLITE
@pytest.mark.long
@pytest.mark.timeout(240)
def test_the_api_answers_as_it_is_described(api: str, tokens: Tokens) -> None:
    findings = fuzz(api, tokens.new(*TokenScope), 4, ("examples", "fuzzing", "stateful"), ISSUE)
    assert findings.failures == []
    assert findings.cases > 100
    reached = {name.partition(" 20")[0] for name in findings.answers if " 20" in name}
    assert reached >= {"POST /subscribers", "GET /issues/{date}/{kind}/deliveries", "POST /issues/{date}/{kind}/cancel"}

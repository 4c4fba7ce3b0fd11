"""The program of docs/channels.md posts each daily issue to a chat once."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError

from digest.monitoring.webhooks.message import headers_of
from tests.support.replay import json_reply, replaying
from tests.support.webhook_receiver import receiving

PAGE = (Path(__file__).parents[3] / "docs" / "channels.md").read_text()
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
FEED = {"items": [{"title": f"Paper {number}"} for number in range(12)]}


def event(kind: str) -> str:
    data = {"issue": {"date": "2026-03-04", "kind": kind}, "candidates": 20}
    return json.dumps({"type": "issue.cut", "timestamp": "2026-03-04T06:00:00.000Z", "data": data})


def test_the_program_of_the_page_posts_a_daily_issue_once_and_nothing_else():
    with receiving() as chat, replaying() as site:
        site.answers("/feed.json", json_reply(FEED))
        program = {}
        exec(PYTHON, program)
        program |= {"SITE": site.url, "SECRET": SECRET, "CHAT": chat.url}
        for name, kind in (("msg_1", "daily"), ("msg_1", "daily"), ("msg_2", "weekly")):
            headers = headers_of(name, event(kind), [SECRET], datetime.now(UTC))
            assert program["received"](headers, event(kind)) == 204
        with pytest.raises(WebhookVerificationError):
            program["received"](headers, event("daily"))
    (document,) = chat.documents
    lines = document["text"].split("\n")
    assert lines[0] == f"{site.url}/issues/2026-03-04"
    assert lines[1:] == [f"Paper {number}" for number in range(10)]

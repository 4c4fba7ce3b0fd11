"""docs/webhooks.md shows what is sent, and its Python verifies it."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.ledger.outbox import EventType
from digest.monitoring.webhooks.message import BouncedMessage, OutgoingEvent, body_of, headers_of

PAGE = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text()
BODIES = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
EXAMPLES = {body["type"]: body for body in BODIES}
(PYTHON,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def test_there_is_an_example_of_every_event():
    assert [*EXAMPLES] == list(EventType)


@pytest.mark.parametrize("what", [each for each in EventType if each.value.startswith(("subscriber", "message"))])
def test_the_bodies_about_people_are_exactly_those_of_the_examples(what):
    example = EXAMPLES[what]
    data = example["data"]
    bounced = None
    if what is EventType.BOUNCED:
        message, reply = data["message"], data["reply"]
        bounced = BouncedMessage(message["kind"], message["date"], message["message_id"], *reply.values())
    at = datetime.fromisoformat(example["timestamp"])
    event = OutgoingEvent(1, "msg_1", what, at, {}, 0, data["subscriber"]["id"], data["subscriber"]["email"], bounced)
    assert json.loads(body_of(event)) == example


@pytest.mark.parametrize("altered", [False, True])
def test_the_python_of_the_page_accepts_what_is_sent_and_nothing_else(altered):
    body = json.dumps(EXAMPLES["issue.cut"])
    names = {"secret": SECRET, "headers": headers_of("msg_1", body, [SECRET], datetime.now(UTC)), "body": body}
    if altered:
        names["body"] = body.replace("20000", "20001")
        with pytest.raises(SystemExit):
            exec(PYTHON, names)
    else:
        exec(PYTHON, names)
        assert names["event"] == EXAMPLES["issue.cut"]

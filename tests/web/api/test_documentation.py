"""The examples of docs/api.md, sent as they are written."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from digest.monitoring.api_tokens import TokenScope
from digest.web.api.reference import FILE, description
from tests.support.scenario import ON_SQLITE
from tests.web.api.conftest import Tokens

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text()
EXAMPLES = [text for text in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "curl" in text]


def test_the_committed_description_is_that_of_the_code() -> None:
    assert FILE.read_text("utf-8") == description(), "run: make docs"


def test_the_page_names_every_scope() -> None:
    assert set(re.findall(r"^\| `(\w+:\w+)`", PAGE, re.MULTILINE)) == set(TokenScope)


@ON_SQLITE
@pytest.mark.processes
def test_the_examples_do_what_the_page_says(empty_api: str, tokens: Tokens) -> None:
    token = tokens.new(TokenScope.SUBSCRIBERS_READ, TokenScope.SUBSCRIBERS_WRITE)
    environment = {"API": f"{empty_api}/api/v1", "TOKEN": token, "PATH": "/usr/bin:/bin"}
    documents = [
        json.loads(subprocess.run(["sh", "-c", text], env=environment, capture_output=True, check=True).stdout)
        for text in EXAMPLES
    ]
    asked, told, found, changed, left, listed, wrong = documents
    assert [document["status"] for document in (asked, told, left)] == ["pending", "confirmed", "unsubscribed"]
    assert (found["items"], found["next"]) == ([asked], None)
    assert changed["preferences"] == asked["preferences"] | {"papers": 5}
    assert [each["address"] for each in listed["items"]] == ["bob@example.com"]
    (printed,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert wrong == json.loads(printed)

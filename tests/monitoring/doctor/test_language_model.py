"""The doctor checks the language model."""

import pytest

from digest.monitoring.doctor.upkeep import language_model
from digest.settings import Settings
from tests.support.language_model import model_server

KEY = "sk-never-to-be-seen"


def lines(**settings):
    return [finding.line() for finding in language_model(Settings(llm_key=KEY, **settings))]


def test_without_a_model_there_is_nothing_to_check():
    assert lines() == []


@pytest.mark.parametrize(
    ("names", "line"),
    [
        (("tiny-1", "other"), "ok      language model: tiny-1 at 127.0.0.1"),
        (("tiny-1:latest",), "ok      language model: tiny-1 at 127.0.0.1"),
        ((), "ok      language model: tiny-1 at 127.0.0.1, which lists no models"),
        (
            ("big-1", "big-2"),
            "note    language model: 127.0.0.1 has no tiny-1; it has big-1, big-2 → Correct DIGEST_LLM_MODEL.",
        ),
    ],
)
def test_it_asks_the_address_for_the_model(names, line):
    with model_server() as server:
        server.models = names
        assert lines(llm_url=server.url, llm_model="tiny-1") == [line]


def test_an_address_that_does_not_answer_is_named_without_the_key():
    with model_server() as server:
        url = server.url
    (line,) = lines(llm_url=url, llm_model="tiny-1")
    assert line.startswith("note    language model: 127.0.0.1 cannot be reached")
    assert line.endswith("Check DIGEST_LLM_URL and DIGEST_LLM_KEY; no email waits for it.")
    assert KEY not in line


def test_a_wrong_path_is_named():
    with model_server() as server:
        (line,) = lines(llm_url=server.url.removesuffix("/v1"), llm_model="tiny-1")
    assert "answered 404 Not Found" in line


def test_a_key_in_clear_text_is_noticed():
    first = lines(llm_url="http://192.0.2.1:1/v1", llm_model="tiny-1", llm_seconds=2)[0]
    assert first == "note    language model: the key is sent in clear text → Use https:// in DIGEST_LLM_URL."

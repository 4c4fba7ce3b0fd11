"""Days as they really were: recorded answers of the source, through collect, publish and explain."""

import ast
import json

import pytest
from typer.testing import CliRunner

from digest.cli.main import app
from tests.support.replay import replaying

DAYS = ("2024-05-28", "2024-12-18", "2025-01-10", "2025-06-10", "2025-09-30", "2026-01-15")


@pytest.fixture
def run(database_url, shared_data, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    monkeypatch.setenv("DIGEST_SOURCES", "huggingface")
    with replaying(shared_data) as replay:
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", replay.url)

        def run(*arguments):
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, done.output
            return json.loads(done.stdout)

        yield run


def contributions(terms):
    return sum(value for name, value in terms.items() if name.startswith("from_"))


def listed(shared_data, day):
    """The papers of a recorded answer, ids and titles as recorded."""
    answer = json.loads((shared_data / "hf" / "raw_days" / f"{day}.json").read_text())
    records = answer["data"] if isinstance(answer, dict) else answer
    papers = [(ast.literal_eval(record) if isinstance(record, str) else record)["paper"] for record in records]
    return {paper["id"]: paper for paper in papers}


@pytest.mark.parametrize("day", DAYS)
def test_a_recorded_day_is_stored_whole_ranked_and_explained(run, shared_data, day):
    at_night = f"{day}T23:30:00Z"
    expected = listed(shared_data, day)
    (collected,) = run("collect", "--date", day, "--as-of", at_night, "--json")
    assert (collected["papers"], collected["new"], collected["unreadable"]) == (len(expected), len(expected), [])
    published = run("publish", "--date", day, "--as-of", at_night, "--json")
    assert (published["created"], published["papers"]) == (True, len(expected))

    explained = run("explain", "--date", day, "--json")["papers"]
    assert {card["paper"] for card in explained} == set(expected)
    assert [card["rank"] for card in explained] == list(range(1, len(expected) + 1))
    for card in explained:
        terms = card["terms"]
        assert terms["upvotes"] == expected[card["paper"]].get("upvotes", 0)
        assert card["score"] == terms["score"] == pytest.approx(contributions(terms))
    scores = [card["score"] for card in explained]
    assert scores == sorted(scores, reverse=True)


def test_all_recorded_days_one_after_the_other_keep_to_themselves(run, shared_data):
    for day in DAYS:
        at_night = f"{day}T23:30:00Z"
        run("collect", "--date", day, "--as-of", at_night, "--json")
        assert run("publish", "--date", day, "--as-of", at_night, "--json")["papers"] == len(listed(shared_data, day))

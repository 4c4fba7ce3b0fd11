"""digest search, as an operator meets it."""

import json

import pytest

from digest.database.engine import transaction
from digest.papers.store import keep_papers
from tests.support.scenario import MORNING, paper

pytestmark = pytest.mark.both_databases


@pytest.fixture
def archive(engine):
    shelf = [
        paper(1, title="Graph neural networks", categories=("cs.LG",)),
        paper(2, title="Graph neural networks for hash tables", categories=("math.CO",)),
        paper(3, title="Speech"),
    ]
    with transaction(engine) as connection:
        keep_papers(connection, "arxiv", MORNING, shelf)


def ids(done):
    assert done.exit_code == 0, done.output
    return [one["paper"][-1] for one in json.loads(done.stdout)["papers"]]


def test_search_finds_and_says_how_many(run, archive):
    assert set(ids(run("search", "graph", "--json"))) == {"1", "2"}
    assert "2 found" in run("search", "graph").stdout
    assert "No papers found" in run("search", "zebra").stdout
    assert ids(run("search", "graph", "-hash", "--json")) == ["1"]


@pytest.mark.parametrize("words", ["???", " ", "，、"])
def test_a_search_without_a_word_says_what_to_give(run, archive, words):
    done = run("search", words)
    assert done.exit_code == 2
    assert "no letter or digit" in done.output


def test_search_keeps_categories_and_days(run, archive):
    assert ids(run("search", "graph", "--category", "MATH", "--json")) == ["2"]
    assert ids(run("search", "graph", "--category", "q-bio、MATH", "--json")) == ["2"]
    assert ids(run("search", "graph", "--category", "math", "--json")) == ["2"]
    assert ids(run("search", "graph", "--from", "2026-03-05", "--json")) == []
    assert run("search", "graph", "--to", "last week").exit_code == 2


def test_search_finds_papers_like_another(run, archive):
    assert ids(run("search", "--like", "2603.00001", "--json")) == ["2"]
    assert ids(run("search", "--like", "https://arxiv.org/abs/2603.00001v2?utm_source=x", "--json")) == ["2"]
    assert run("search", "--like", "2603.99999").exit_code != 0
    assert run("search", "--like", "2603.00001", "graph").exit_code == 2
    assert run("search").exit_code == 2


def test_h_alone_asks_for_help_and_inside_a_word_it_does_not(run):
    help_ = run("search", "--help").stdout
    assert "Usage" in help_
    assert run("search", "-h").stdout == run("search", "graphs", "-h").stdout == help_
    assert "No papers found" in run("search", "graphs", "-hallucination").stdout

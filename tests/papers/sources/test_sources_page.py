"""docs/sources.md: what it shows works as it stands there."""

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.papers.collecting import SourceHealth, collect
from digest.papers.sources import source_names
from digest.papers.sources.registry import SourceAddresses, make_sources
from digest.papers.store import paper, pool
from digest.settings import Settings
from tests.support.replay import json_reply, replaying

PAGE = (Path(__file__).parents[3] / "docs" / "sources.md").read_text(encoding="utf-8")
NOW = datetime(2026, 5, 28, 9, tzinfo=UTC)
NOWHERE = SourceAddresses("http://127.0.0.1:9", "http://127.0.0.1:9", "http://127.0.0.1:9", ())


def shown(language: str) -> str:
    (code,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return str(code)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package of the page, as an installer would leave it."""
    (tmp_path / "acme_papers.py").write_text(shown("python"))
    about = tmp_path / "acme_papers-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-papers\nVersion: 1.0\n")
    entry = shown("toml").replace('[project.entry-points."digest.sources"]', "[digest.sources]").replace('"', "")
    (about / "entry_points.txt").write_text(entry)
    monkeypatch.syspath_prepend(tmp_path)
    source_names.added.cache_clear()
    yield
    source_names.added.cache_clear()
    sys.modules.pop("acme_papers", None)


def test_the_worked_example_is_a_source_like_any_other(
    installed: None, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    liked = [{"arxiv": "2605.00001v2", "title": "On $x^2$", "likes": 7}, {"arxiv": "nonsense", "title": "?"}]
    with replaying() as acme:
        acme.answers("/liked.json", json_reply(liked))
        monkeypatch.setenv("ACME_URL", acme.url)
        (done,) = collect(engine, make_sources(["acme"], NOWHERE), NOW.date(), NOW)
        assert (done.outcome, done.message) == (SourceHealth.PARTIAL, "1 paper listed; 1 record could not be read")
        with read_only(engine) as connection:
            found = paper(connection, "2605.00001")
        assert found
        assert (found.paper.title, found.votes[0].source, found.votes[0].upvotes) == ("On x²", "acme", 7)
        acme.answers("/liked.json", json_reply([]))
        (done,) = collect(engine, make_sources(["acme"], NOWHERE), NOW.date(), NOW)
        assert done.outcome is SourceHealth.QUIET
    (down,) = collect(engine, make_sources(["acme"], NOWHERE), NOW.date(), NOW)
    assert down.outcome is SourceHealth.FAILING


def test_the_settings_take_the_name_of_an_installed_source_and_name_what_there_is(
    installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_SOURCES", "acme,arxiv")
    assert Settings().sources == ("acme", "arxiv")
    monkeypatch.setenv("DIGEST_SOURCES", "acme,nowhere")
    with pytest.raises(ValueError, match=r"'nowhere' \(available: huggingface, arxiv, .*, readers, acme\)"):
        Settings()


def test_a_package_whose_source_breaks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = tmp_path / "broken-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[digest.sources]\nbroken = nowhere_at_all:Source\n")
    monkeypatch.syspath_prepend(tmp_path)
    source_names.added.cache_clear()
    try:
        with pytest.raises(ValueError, match=r"'broken' \(nowhere_at_all:Source\) cannot be used: No module named"):
            make_sources(["broken"], NOWHERE)
    finally:
        source_names.added.cache_clear()


def test_the_list_of_the_page_is_read_as_the_page_says(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "ours.json").write_text(shown("json"))
    places = SourceAddresses("", "", "", (), feeds=(str(tmp_path / "ours.json"),))
    (done,) = collect(engine, make_sources(["feeds"], places), NOW.date(), NOW)
    assert (done.outcome, done.papers) == (SourceHealth.FRESH, 2)
    with read_only(engine) as connection:
        listed = {one.paper.title: one for one in pool(connection, NOW, NOW)}
    assert listed["An Introduction to Vision-Language Modeling"].paper.id == "2405.17247"
    assert listed["An Introduction to Vision-Language Modeling"].votes[0].upvotes == 12
    assert listed["What we measured in May, with 10⁻³ precision"].paper.authors == ("Ada Lovelace", "Alan Turing")

"""The cards of papers on public pages: the reason, the votes and their curve."""

import re
from datetime import timedelta

import pytest

from digest.database.engine import transaction
from digest.papers.paper import Votes
from digest.papers.store import keep_votes
from tests.support.scenario import add_papers, cut
from tests.web.conftest import START, Visit


def test_a_card_begins_with_the_reason_and_draws_only_votes_seen_before_the_cut(visit: Visit) -> None:
    seen = START - timedelta(hours=4)
    add_papers(visit.engine, range(1, 3), seen, categories=("cs.RO",))
    add_papers(visit.engine, range(200, 201), seen, categories=("cs.RO",))
    later = [Votes("2603.00001", "huggingface", START + timedelta(hours=hours), 230 + hours) for hours in (-1, 1)]
    with transaction(visit.engine) as connection:
        keep_votes(connection, later)
    with transaction(visit.engine) as connection:
        keep_votes(connection, [Votes("2603.00002", "hackernews", seen, 7)])
    cut(visit.engine, START.date(), START)
    first, second, without_votes = visit.browser.get("/latest").text.split('<li class="card">')[1:]
    assert first.index("No. 1 of the day") < first.index("<h2")
    assert re.findall(r'<polyline points="([^"]*)"', first) == ["2,7 85,3"]
    assert "https://huggingface.co/papers/2603.00001" in first
    story = 'href="https://hn.algolia.com/?query=2603.00002"'
    assert (story in first, story in second, "hn.algolia" in without_votes) == (False, True, False)
    assert story in visit.browser.get("/papers/2603.00002").text
    assert "<polyline" not in second
    assert "New in cs.RO" in without_votes
    assert "No. " not in without_votes
    assert 'class="tally"' not in without_votes


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_typefaces_are_small_and_what_styles_name(visit: Visit) -> None:
    styles = visit.browser.get("/static/digest.css").text
    fonts = [visit.browser.get(f"/static/{name}") for name in re.findall(r"url\(([^)]*)\)", styles)]
    assert [font.headers["content-type"] for font in fonts] == ["font/woff2"] * 2
    assert sum(len(font.content) for font in fonts) <= 80_000

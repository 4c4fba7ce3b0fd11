"""Fragments stay as they were first kept."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from digest.database.engine import read_only, transaction
from digest.issues.store import issue_by_id
from digest.mail.compose.composer import render_fragments
from digest.mail.compose.fragments import Fragments, keep_fragments, stored_fragments
from digest.papers.paper import Votes
from digest.papers.store import keep_votes
from tests.support.scenario import MORNING, add_papers, cut, desk, paper


def kept(engine, issue_id, content, language="en"):
    with transaction(engine) as connection:
        return keep_fragments(connection, issue_id, language, content)


def stored(engine, issue_id, language="en"):
    with read_only(engine) as connection:
        return stored_fragments(connection, issue_id, language)


def test_what_was_kept_first_stays(engine):
    add_papers(engine, range(3))
    issue_id = cut(engine).issue_id
    assert stored(engine, issue_id) is None
    assert kept(engine, issue_id, "first") == "first"
    assert kept(engine, issue_id, "second") == "first"
    assert kept(engine, issue_id, "zuerst", "de") == "zuerst"
    assert (stored(engine, issue_id), stored(engine, issue_id, "de")) == ("first", "zuerst")


def test_workers_that_render_at_once_agree(engine):
    add_papers(engine, range(3))
    issue_id = cut(engine).issue_id
    with ThreadPoolExecutor(4) as pool:
        given = list(pool.map(lambda number: kept(engine, issue_id, f"from worker {number}"), range(8)))
    assert set(given) == {stored(engine, issue_id)}


def test_real_fragments_come_back_as_they_were(engine):
    add_papers(engine, range(3), title="Emoji 🤗, “quotes” and \\ backslashes")
    with read_only(engine) as connection:
        issue = issue_by_id(connection, cut(engine).issue_id)
    made = render_fragments(issue, desk())
    assert Fragments.from_json(kept(engine, issue.id, made.to_json())) == made
    assert Fragments.from_json(stored(engine, issue.id)) == made


def test_a_card_shows_the_votes_gained_since_yesterday(engine):
    add_papers(engine, range(1, 3), seen_at=MORNING - timedelta(hours=26))
    now = MORNING - timedelta(hours=1)
    with transaction(engine) as connection:
        keep_votes(connection, [Votes(paper(n).id, "huggingface", now, votes) for n, votes in ((1, 211), (2, 198))])
    with read_only(engine) as connection:
        issue = issue_by_id(connection, cut(engine).issue_id)
    cards = render_fragments(issue, desk()).cards
    assert "211 votes, +12 since yesterday" in "".join(cards[paper(1).id].text)
    assert "since yesterday" not in "".join(cards[paper(2).id].text)

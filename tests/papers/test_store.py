"""The archive of papers and votes, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, select

from digest.database.engine import transaction
from digest.database.tables import papers, votes
from digest.papers.paper import Paper, Votes
from digest.papers.ranking import Past
from digest.papers.store import (
    keep_papers,
    keep_votes,
    latest_papers,
    paper,
    past,
    pool,
    withdraw,
)

NOON = datetime(2026, 5, 28, 12, tzinfo=UTC)
DAY = NOON.date()
HOUR = timedelta(hours=1)
PAPER = Paper("2605.00001", "A title", authors=("Ada", "Grace"), categories=("cs.CL",), listed_at=NOON - HOUR)


def keep(connection: Connection, *listed: Paper, source: str = "huggingface", at: datetime = NOON) -> int:
    return keep_papers(connection, source, at, listed)


def test_a_paper_comes_back_as_it_was(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert keep(connection, PAPER) == 1
        found = paper(connection, PAPER.id)
    assert found
    assert found.paper == PAPER
    assert found.first_seen_at == NOON


def test_a_paper_seen_again_keeps_its_first_instant_and_learns_the_rest(engine: Engine) -> None:
    again = Paper(PAPER.id, "A better title", abstract="Now with an abstract.")
    with transaction(engine) as connection:
        keep(connection, PAPER)
        assert keep(connection, again, source="arxiv", at=NOON + HOUR) == 0
        found = paper(connection, PAPER.id)
        row = connection.execute(select(papers.c.last_seen_at, papers.c.sources)).one()
    assert found
    assert found.first_seen_at == NOON
    assert found.paper.title == "A better title"
    assert found.paper.abstract
    assert found.paper.authors == PAPER.authors
    assert (row.last_seen_at, row.sources) == (NOON + HOUR, ["arxiv", "huggingface"])


def test_two_records_of_one_paper_in_one_listing_are_merged(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert keep(connection, PAPER, Paper(PAPER.id, "T", summary="Short.")) == 1
        found = paper(connection, PAPER.id)
    assert found
    assert (found.paper.title, found.paper.summary, found.paper.authors) == ("T", "Short.", PAPER.authors)


def test_more_papers_than_fit_in_one_statement_are_stored(engine: Engine) -> None:
    many = [Paper(f"2605.{n:05d}", "T") for n in range(1203)]
    with transaction(engine) as connection:
        assert keep(connection, *many) == 1203
        keep_votes(connection, [Votes(one.id, "huggingface", NOON, 1) for one in many])
        assert len(pool(connection, NOON, NOON)) == 1203


def test_an_observation_is_kept_once_and_as_it_was(engine: Engine) -> None:
    with transaction(engine) as connection:
        keep(connection, PAPER)
        keep_votes(connection, [Votes(PAPER.id, "huggingface", NOON, 5, 1, 3)])
        keep_votes(connection, [Votes(PAPER.id, "huggingface", NOON, 9)])
        found = paper(connection, PAPER.id)
    assert found
    assert found.votes == (Votes(PAPER.id, "huggingface", NOON, 5, 1, 3),)


def test_the_pool_holds_what_was_first_seen_in_time_with_votes_up_to_its_end(engine: Engine) -> None:
    late, early = Paper("2605.00002", "Late"), Paper("2605.00003", "Early")
    with transaction(engine) as connection:
        keep(connection, PAPER)
        keep(connection, late, at=NOON + 5 * HOUR)
        keep(connection, early, at=NOON - 5 * HOUR)
        keep_votes(connection, [Votes(PAPER.id, "huggingface", NOON + n * HOUR, n) for n in (4, 0, 2)])
        (observed,) = pool(connection, NOON - HOUR, NOON + 3 * HOUR)
    assert observed.paper == PAPER
    assert [seen.upvotes for seen in observed.votes] == [0, 2]


def test_a_replayed_earlier_instant_moves_the_first_sight_back(engine: Engine) -> None:
    with transaction(engine) as connection:
        keep(connection, PAPER)
        keep(connection, PAPER, at=NOON - 30 * HOUR)
        assert len(pool(connection, NOON - 31 * HOUR, NOON - 29 * HOUR)) == 1
        assert connection.execute(select(papers.c.last_seen_at)).scalar_one() == NOON


def test_latest_papers_come_newest_first(engine: Engine) -> None:
    with transaction(engine) as connection:
        keep(connection, Paper("2605.00005", "Old"), at=NOON - HOUR)
        keep(connection, Paper("2605.00006", "Listed first", listed_at=NOON - 3 * HOUR), PAPER)
        titles = [found.title for found in latest_papers(connection, 2)]
    assert titles == ["A title", "Listed first"]


def test_an_unknown_paper_is_none(engine: Engine) -> None:
    with transaction(engine) as connection:
        assert paper(connection, "2605.99999") is None


def test_votes_of_a_paper_that_nobody_listed_are_left_out(engine: Engine) -> None:
    with transaction(engine) as connection:
        keep(connection, PAPER)
        seen = [Votes(one, "hackernews", NOON, 5) for one in ("2605.99999", PAPER.id)]
        assert keep_votes(connection, seen) == 1
        assert list(connection.scalars(select(votes.c.paper_id))) == [PAPER.id]


def test_a_withdrawn_paper_leaves_the_pool_and_stays_away(engine: Engine) -> None:
    later = NOON + 2 * HOUR
    with transaction(engine) as connection:
        keep(connection, PAPER)
        withdraw(connection, "huggingface", [PAPER.id, "2605.99999"], NOON + HOUR)
        keep(connection, PAPER, source="arxiv", at=later)
        withdraw(connection, "feeds", [PAPER.id], later)
        assert [one.paper.id for one in pool(connection, NOON, NOON)] == [PAPER.id]  # as it was then
        assert pool(connection, NOON, NOON + HOUR) == pool(connection, NOON, later) == []
        assert latest_papers(connection, 10) == []
        assert connection.execute(select(papers.c.withdrawn_at)).scalar() == NOON + HOUR


def test_the_source_that_withdrew_a_paper_undoes_it_by_listing_the_paper_again(engine: Engine) -> None:
    with transaction(engine) as connection:
        keep(connection, PAPER)
        withdraw(connection, "arxiv", [PAPER.id], NOON + HOUR)
        keep(connection, PAPER, at=NOON + HOUR)
        assert latest_papers(connection, 10) == []
        keep(connection, PAPER, source="arxiv", at=NOON + 2 * HOUR)
        assert latest_papers(connection, 10) == [PAPER]


def test_a_paper_that_is_put_on_a_list_long_after_it_was_first_seen_is_in_the_pool_again(engine: Engine) -> None:
    listed = NOON + timedelta(days=9)
    with transaction(engine) as connection:
        keep(connection, Paper(PAPER.id, "A title"), source="arxiv")
        since, until = listed - HOUR, listed + HOUR
        assert pool(connection, since, until) == []
        keep(connection, Paper(PAPER.id, "A title", listed_at=listed), at=until)
        assert [one.paper.id for one in pool(connection, since, until)] == [PAPER.id]
        assert pool(connection, since, listed - timedelta(minutes=1)) == []


def test_the_past_is_each_voted_paper_with_the_most_votes_seen_by_then(engine: Engine) -> None:
    voted, silent = replace(PAPER, organization="The Lab", submitter="ada"), Paper("2605.00002", "Another")
    with transaction(engine) as connection:
        keep(connection, voted, silent)
        keep_votes(connection, [Votes(voted.id, "huggingface", NOON + hours * HOUR, 10 * hours) for hours in (0, 2, 5)])
        told = past(connection, NOON - HOUR, NOON + 3 * HOUR)
        assert past(connection, NOON + HOUR, NOON + 3 * HOUR) == []
    assert told == [Past("The Lab", "ada", NOON, 20, 0, ["Ada", "Grace"])]


def test_the_past_knows_no_growth_of_votes_seen_once_and_counts_no_points_of_other_sites(engine: Engine) -> None:
    with transaction(engine) as connection:
        keep(connection, PAPER)
        keep_votes(connection, [Votes(PAPER.id, "hackernews", NOON + hours * HOUR, 500) for hours in range(3)])
        assert past(connection, NOON - HOUR, NOON + 3 * HOUR) == []
        keep_votes(connection, [Votes(PAPER.id, "lab", NOON + hours * HOUR, 4 + hours) for hours in (0, 1)])
        keep_votes(connection, [Votes(PAPER.id, "huggingface", NOON, 9)])
        (told,) = past(connection, NOON - HOUR, NOON + 3 * HOUR)
    assert (told.upvotes, told.first_upvotes) == (9, None)

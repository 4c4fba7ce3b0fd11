"""Profiles times papers in a worker: points for the papers of a pool, and the liked paper behind a chosen one."""

from datetime import timedelta

import pytest
from sqlalchemy import delete, insert, select, update

from digest.database.engine import read_only, transaction
from digest.database.tables import issues, papers, profiles, spaces, tastes
from digest.issues.explain import explain_list
from digest.issues.profiles import Neighbour, profiles_of, refresh_profiles
from digest.issues.profiles.pool_affinities import pool_affinities
from digest.issues.selection import IssueCache
from digest.issues.selection.interests import numbers_in
from digest.subscribers import paper_feedback, subscriptions
from tests.issues.profiles.builders import (
    NEW_GRAPHS,
    NEW_SPEECH,
    fill,
    give,
    learn,
    paper_id,
    subscriber_who_likes_graphs,
)
from tests.mail.delivery.builders import hands
from tests.support.scenario import LANGUAGES, MORNING, ON_SQLITE, add_subscriber, cut

__all__ = ["hands"]  # a fixture

POOL = [paper_id(number) for number in (*NEW_SPEECH, *NEW_GRAPHS, 100, 999)]


@pytest.fixture
def ada(engine):
    """A subscriber who likes graphs, when profiles were computed."""
    fill(engine)
    ada = subscriber_who_likes_graphs(engine)
    learn(engine)
    return ada


def affinities(connection, subscriber_ids, worth=8000, least=4000):
    pool = pool_affinities(connection, 1, POOL)
    return pool.of(connection, profiles_of(connection, 1, subscriber_ids), worth, least)


@ON_SQLITE
def test_a_subscriber_gets_the_same_points_alone_and_among_others(engine, ada):
    others = [add_subscriber(engine, f"reader{number}@example.com").id for number in range(30)]
    for number, subscriber_id in enumerate(others):
        give(engine, subscriptions.find(engine, subscriber_id), *{100 + number % 6, 110 + number % 5, 200 + number})
    refresh_profiles(engine, MORNING)
    with read_only(engine) as connection:
        together = affinities(connection, [ada.id, *others])
        assert len({tuple(own.points) for own in together.values()}) > 8
        for subscriber_id, own in together.items():
            (alone,) = affinities(connection, [subscriber_id]).values()
            assert list(alone.points) == list(own.points)
            close = [number for number, points in enumerate(own.points) if points >= 4000]
            assert (alone.close, list(numbers_in(own.close))) == (own.close, close)


@ON_SQLITE
def test_papers_outside_the_space_say_nothing_and_any_weight_fits(engine, ada):
    with read_only(engine) as connection:
        usual, heavy = (affinities(connection, [ada.id], worth=worth)[ada.id] for worth in (8_000, 800_000))
        assert usual.points[POOL.index("2603.00999")] == 0
        assert [round(points / 100) for points in heavy.points] == pytest.approx(list(usual.points), abs=1)


@ON_SQLITE
def test_the_neighbour_is_the_liked_paper_that_a_score_leans_on_while_it_is_in_the_archive(engine, ada):
    ben = add_subscriber(engine, "ben@example.com")
    give(engine, ben, 100, 110)
    refresh_profiles(engine, MORNING)
    speech, graphs = (POOL.index(paper_id(number)) for number in (0, 20))
    with read_only(engine) as connection:
        own = affinities(connection, [ben.id])[ben.id]
        assert own.neighbours([speech, graphs]) == {
            speech: Neighbour("Speech and its phonemes"),
            graphs: Neighbour("Graphs and their nodes"),
        }
    with transaction(engine) as connection:
        connection.execute(delete(papers).where(papers.c.id == paper_id(110)))
    with read_only(engine) as connection:
        own = affinities(connection, [ben.id])[ben.id]
        assert own.neighbours([graphs]) == {graphs: Neighbour("Graphs and their nodes")}
    with transaction(engine) as connection:
        connection.execute(delete(papers).where(papers.c.id == paper_id(100)))
    with read_only(engine) as connection:
        assert affinities(connection, [ben.id])[ben.id].neighbours([graphs]) == {}


@ON_SQLITE
def test_neighbours_of_an_earlier_claim_stay_when_a_later_one_replaces_the_liked_papers_in_memory(
    engine, ada, monkeypatch
):
    ben = add_subscriber(engine, "ben@example.com")
    give(engine, ben, 110, 111, 112)
    refresh_profiles(engine, MORNING)
    graphs = POOL.index(paper_id(20))
    with read_only(engine) as connection:
        pool = pool_affinities(connection, 1, POOL)
        (own,) = pool.of(connection, profiles_of(connection, 1, [ada.id]), 8_000, 4_000).values()
        named = own.neighbours([graphs])
        monkeypatch.setattr("digest.issues.profiles.pool_affinities._LIKED", 1)
        pool.of(connection, profiles_of(connection, 1, [ben.id]), 8_000, 4_000)
        assert list(named) == [graphs]
        assert own.neighbours([graphs]) == named


# --- what was sent ---


@pytest.fixture
def sent(engine, ada, hands):
    """Her list of the day, delivered by a worker."""
    cut(engine)
    hands.deliver()
    return ada


def explained(engine, subscriber, changes=None):
    with read_only(engine) as connection:
        issue_id = connection.scalar(select(issues.c.id))
    cached = IssueCache(engine, LANGUAGES).get(issue_id)
    return explain_list(engine, cached, subscriber.key, changes or {})


def test_explain_computes_every_number_again_whatever_the_profile_has_become(engine, sent):
    picks = explained(engine, sent).chosen.selection.picks
    assert {pick.terms.get("affinity", 0) > 0.2 for pick in picks} == {True, False}
    assert explained(engine, sent).same
    give(engine, sent, 110, 111, 112, at=MORNING + timedelta(hours=9))
    refresh_profiles(engine, MORNING + timedelta(hours=9))
    then = explained(engine, sent)
    assert (then.same, then.since_then) == (False, "since then, or just before, the subscriber changed their feedback")
    give(engine, sent, 110, kind="less")
    for number in (111, 112):
        paper_feedback.take_back(engine, sent.id, paper_id(number))
    assert explained(engine, sent).same
    with transaction(engine) as connection:
        connection.execute(delete(profiles))
    assert explained(engine, sent).same


@ON_SQLITE
def test_explain_shows_a_list_by_its_stored_numbers_once_the_space_of_its_issue_is_gone(engine, sent):
    before = explained(engine, sent)
    with transaction(engine) as connection:
        connection.execute(delete(spaces))
    after = explained(engine, sent, {"affinity": 0.0})
    assert (after.same, after.since_then) == (None, "what its affinities were computed from is no longer kept")
    assert after.chosen == before.chosen
    without = sorted(after.chosen.selection.picks, key=lambda pick: pick.terms.get("affinity", 0) - pick.score)
    assert {move.paper_id: move.after for move in after.moves}.items() <= {
        (pick.paper_id, rank) for rank, pick in enumerate(without, start=1)
    }
    assert after.moves


@ON_SQLITE
def test_an_issue_of_an_earlier_version_is_chosen_and_explained_by_what_its_cut_computed(engine, ada, hands):
    cut(engine)
    with transaction(engine) as connection:
        settings = connection.scalar(select(issues.c.settings))
        earlier = {name: value for name, value in settings.items() if name != "rules"}
        connection.execute(update(issues).values(settings=earlier, space_id=None))
        computed = {"affinity": {paper_id(25): 0.9}, "kin": {paper_id(25): "An old favourite"}, "words": ["graph"]}
        connection.execute(insert(tastes), {"issue_id": 1, "subscriber_id": ada.id, **computed})
    hands.deliver()
    then = explained(engine, ada)
    assert then.same
    pick = next(pick for pick in then.chosen.selection.picks if pick.paper_id == paper_id(25))
    assert (pick.why, pick.terms["affinity"]) == ("like “An old favourite”, which you liked", 0.72)

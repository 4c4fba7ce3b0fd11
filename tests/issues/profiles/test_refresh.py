"""Profiles are computed in the background, once a subscriber, and are gone with their feedback; on both databases."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs

from digest.database.engine import connect, read_only, transaction
from digest.database.tables import issues, paper_vectors, spaces
from digest.issues.personal_data import export
from digest.issues.profiles import feedback_summary, refresh_profiles, renew_space
from digest.subscribers import paper_feedback, store, subscriptions
from tests.issues.profiles.builders import (
    GRAPHS,
    NEW_GRAPHS,
    SPEECH,
    YESTERDAY,
    before_statement,
    fill,
    give,
    history_of,
    learn,
    list_of,
    paper_id,
    profiled,
    ready,
    stale,
    subscriber_who_likes_graphs,
)
from tests.support.scenario import DAY, MORNING, ON_SQLITE, add_papers, add_subscriber, cut

A_DAY = timedelta(days=1)


@pytest.fixture
def ada(engine):
    """A subscriber who likes graphs and not speech, in an archive without a space."""
    fill(engine)
    return subscriber_who_likes_graphs(engine)


# --- from feedback to a list ---


def test_who_likes_a_subject_gets_it_and_is_told_which_paper_it_resembles(engine, ada):
    ben = add_subscriber(engine, "ben@example.com", papers=6)
    give(engine, ben, 112, kind="read")
    learn(engine)
    assert {subscriber_id for _space, subscriber_id in profiled(engine)} == {ada.id}
    cut(engine)
    graphs = {paper_id(number) for number in (*NEW_GRAPHS, 102, 103, 104, 105)}
    theirs = [pick for pick in list_of(engine, ada).picks if pick.terms.get("affinity", 0) > 0.2]
    assert len(theirs) >= 3
    assert {pick.paper_id for pick in theirs} <= graphs
    assert {pick.why for pick in theirs} == {"like “Graphs and their nodes”, which you liked"}
    assert not any(pick.why for pick in list_of(engine, ben).picks)
    assert history_of(engine, ben).profile.rated == {paper_id(112)}


def test_a_subscriber_sees_the_words_of_their_profile_until_they_delete_their_feedback(engine, ada):
    learn(engine)
    words = feedback_summary(engine, ada).words
    assert set(words) <= set(GRAPHS.split()) | {"graphs"}
    exported = export(engine, ada.id)
    assert exported is not None
    (profile,) = exported["profiles"]
    assert (profile["words"], list(profile["liked"])) == (list(words), [paper_id(100), paper_id(101)])
    paper_feedback.delete_all_feedback(engine, ada.id, MORNING)
    assert feedback_summary(engine, ada).words == ()
    assert export(engine, ada.id)["profiles"] == []


@ON_SQLITE
def test_the_words_of_a_profile_come_from_papers_before_and_after_the_fit(engine, ada):
    learn(engine)
    add_papers(engine, range(30, 31), abstract=SPEECH, title="Voices")
    ben, cy = (add_subscriber(engine, f"{name}@example.com") for name in ("ben", "cy"))
    give(engine, ben, 100, 30)
    give(engine, cy, 30)
    refresh_profiles(engine, MORNING)
    words, of_later = (set(feedback_summary(engine, who).words) for who in (ben, cy))
    assert words & set(GRAPHS.split())
    assert words & set(SPEECH.split())
    assert of_later
    assert of_later <= set(SPEECH.split()) | {"voices"}


def test_feedback_counts_from_the_next_run_on_and_only_its_subscriber_is_computed_again(engine, ada):
    ben = add_subscriber(engine, "ben@example.com", papers=6)
    give(engine, ben, 110)
    learn(engine)
    cut(engine)
    assert refresh_profiles(engine, MORNING) == 0
    before = list(history_of(engine, ada).profile.affinity)
    give(engine, ada, 111)
    assert list(history_of(engine, ada).profile.affinity) == before
    assert refresh_profiles(engine, MORNING) == 1
    assert list(history_of(engine, ada).profile.affinity) != before


def test_a_profile_goes_at_once_with_feedback_that_is_taken_back_and_comes_again_without_it(engine, ada):
    learn(engine)
    assert paper_feedback.take_back(engine, ada.id, paper_id(110))
    assert profiled(engine) == set()
    refresh_profiles(engine, MORNING)
    assert export(engine, ada.id)["profiles"]
    paper_feedback.take_back(engine, ada.id, paper_id(100))
    paper_feedback.take_back(engine, ada.id, paper_id(101))
    refresh_profiles(engine, MORNING)
    assert (profiled(engine), stale(engine)) == (set(), set())


def test_who_has_unsubscribed_is_computed_when_they_are_back(engine, ada):
    subscriptions.unsubscribe(engine, ada.id, MORNING, "test")
    learn(engine)
    assert (profiled(engine), ready(engine)) == (set(), {1: True})
    with transaction(engine) as connection:
        assert store.undo_unsubscribe(connection, ada.id, MORNING, None)
    refresh_profiles(engine, MORNING)
    assert profiled(engine) == {(1, ada.id)}


# --- at the same time ---


def test_feedback_given_while_profiles_are_computed_is_not_lost(engine, ada):
    renew_space(engine, YESTERDAY)
    with before_statement(engine, "spaces.content", lambda: give(engine, ada, 100, kind="less", at=MORNING)):
        refresh_profiles(engine, YESTERDAY)
    assert (profiled(engine), stale(engine), ready(engine)) == (set(), {ada.id}, {1: False})
    refresh_profiles(engine, MORNING)
    assert (stale(engine), ready(engine)) == (set(), {1: True})
    assert list(export(engine, ada.id)["profiles"][0]["liked"]) == [paper_id(101)]


@ON_SQLITE
def test_a_space_that_is_fitted_while_profiles_are_computed_gets_them_all_too(engine, ada):
    learn(engine)
    give(engine, ada, 102)
    week = MORNING + 7 * A_DAY
    with before_statement(engine, "spaces.content", lambda: renew_space(engine, week)):
        refresh_profiles(engine, MORNING)
    assert (stale(engine), ready(engine)) == ({ada.id}, {1: True, 2: False})
    refresh_profiles(engine, week)
    assert (2, ada.id) in profiled(engine)
    assert ready(engine)[2]


@pytest.mark.parametrize("leave", [paper_feedback.delete_all_feedback, subscriptions.erase])
def test_who_leaves_while_profiles_are_computed_leaves_nothing(engine, ada, leave):
    renew_space(engine, YESTERDAY)
    with before_statement(engine, "spaces.content", lambda: leave(engine, ada.id, MORNING)):
        refresh_profiles(engine, YESTERDAY)
    refresh_profiles(engine, MORNING)
    assert (profiled(engine), stale(engine), ready(engine)) == (set(), set(), {1: True})


def test_a_deleted_subscriber_leaves_nothing(engine, ada):
    learn(engine)
    give(engine, ada, 102)
    subscriptions.erase(engine, ada.id, MORNING)
    assert (profiled(engine), stale(engine)) == (set(), set())


def test_two_schedulers_at_once_compute_every_profile(engine, ada, database_url):
    others = [add_subscriber(engine, f"reader{number}@example.com") for number in range(20)]
    for number, subscriber in enumerate(others):
        give(engine, subscriber, 100 + number % 6, 110 + number % 5)
    schedulers = [connect(database_url) for _ in range(2)]
    with ThreadPoolExecutor() as threads:
        list(threads.map(learn, schedulers))
    for scheduler in schedulers:
        scheduler.dispose()
    refresh_profiles(engine, YESTERDAY)
    newest = max(ready(engine))
    assert ready(engine)[newest]
    assert {id_ for space, id_ in profiled(engine) if space == newest} == {ada.id, *(other.id for other in others)}
    assert stale(engine) == set()


# --- spaces ---


def space_of(engine, day):
    with read_only(engine) as connection:
        return connection.scalar(select(issues.c.space_id).where(issues.c.date == day))


def test_a_new_space_is_used_once_it_holds_every_profile_and_the_last_goes_when_no_issue_needs_it(engine, ada):
    learn(engine)
    cut(engine)
    week = MORNING + 7 * A_DAY
    add_papers(engine, range(600, 603), seen_at=week, abstract=SPEECH)
    assert renew_space(engine, week)
    cut(engine, week.date())
    assert [space_of(engine, day) for day in (DAY, week.date())] == [1, 1]
    assert ready(engine) == {1: True, 2: False}
    refresh_profiles(engine, week)
    cut(engine, week.date() + A_DAY)
    assert space_of(engine, week.date() + A_DAY) == 2
    assert profiled(engine) == {(1, ada.id), (2, ada.id)}
    refresh_profiles(engine, week + 3 * A_DAY)
    assert (profiled(engine), set(ready(engine))) == ({(2, ada.id)}, {1, 2})
    refresh_profiles(engine, week + 9 * A_DAY)
    assert set(ready(engine)) == {2}
    with read_only(engine) as connection:
        assert set(connection.scalars(select(paper_vectors.c.space_id))) == {2}


def test_a_space_is_fitted_again_after_a_week_or_when_a_young_archive_has_grown_by_half(engine, ada):
    assert renew_space(engine, MORNING)
    assert not renew_space(engine, MORNING + 6 * A_DAY)
    assert renew_space(engine, MORNING + 7 * A_DAY)
    add_papers(engine, range(600, 761))
    assert not renew_space(engine, MORNING + 8 * A_DAY)
    add_papers(engine, range(761, 762))
    assert renew_space(engine, MORNING + 8 * A_DAY)


def test_papers_are_placed_when_they_come_when_their_text_changes_and_at_the_latest_by_the_cut(engine, ada):
    def vectors():
        with read_only(engine) as connection:
            rows = connection.execute(select(paper_vectors.c.paper_id, paper_vectors.c.vector))
            return {row.paper_id: row.vector for row in rows}

    learn(engine)
    first = vectors()
    add_papers(engine, range(30, 31), title="Another", abstract="")
    add_papers(engine, range(31, 32), title="Networks", abstract=GRAPHS)
    refresh_profiles(engine, MORNING)
    bare = vectors()
    assert bare.keys() - first.keys() == {paper_id(30), paper_id(31)}
    add_papers(engine, range(30, 31), title="Another", abstract=GRAPHS)
    cut(engine)
    assert vectors()[paper_id(30)] != bare[paper_id(30)]
    affinity = history_of(engine, ada).profile.affinity
    assert sum(points > 3000 for points in affinity) == len(NEW_GRAPHS) + 6 + 2


def test_a_fit_that_fails_leaves_the_last_space_in_use_and_is_logged_on_one_line(engine, ada, monkeypatch):
    def failing(_texts):
        raise failures.pop()

    failures = [MemoryError(), np.linalg.LinAlgError("Eigenvalues did not converge\nin 30 steps")]
    learn(engine)
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr("digest.issues.profiles.space.fit", failing)
        for day in (8, 9):
            assert not renew_space(engine, MORNING + day * A_DAY)
            refresh_profiles(engine, MORNING + day * A_DAY)
    assert [entry["problem"] for entry in logs] == ["Eigenvalues did not converge", "MemoryError"]
    assert {(entry["log_level"], entry["event"]) for entry in logs} == {
        ("error", "no space was fitted; the last stays in use")
    }
    assert "exc_info" not in logs[0]
    assert ready(engine) == {1: True}
    cut(engine)
    assert space_of(engine, DAY) == 1
    assert [pick for pick in list_of(engine, ada).picks if pick.why]
    assert renew_space(engine, MORNING + 9 * A_DAY)


def test_a_space_that_cannot_be_read_stops_no_cut_and_is_soon_replaced(engine, ada):
    learn(engine)
    with transaction(engine) as connection:
        connection.execute(update(spaces).values(content=b"of a later version"))
    add_papers(engine, range(30, 31), abstract=GRAPHS)
    cut(engine)
    assert space_of(engine, DAY) == 1
    assert [pick for pick in list_of(engine, ada).picks if pick.why]
    learn(engine, MORNING)
    assert ready(engine) == {1: True, 2: True}


@ON_SQLITE
def test_without_feedback_there_is_no_space_and_nothing_imports_numpy(database_url):
    code = (
        "import sys\n"
        "from digest.database.engine import connect\n"
        "from digest.issues.profiles import refresh_profiles, renew_space\n"
        "from tests.issues.profiles import builders\n"
        "from tests.support.scenario import MORNING, add_subscriber, cut\n"
        f"engine = connect({database_url!r})\n"
        "builders.fill(engine)\n"
        "ada = add_subscriber(engine, 'ada@example.com')\n"
        "builders.give(engine, ada, 100, kind='read')\n"
        "assert not renew_space(engine, MORNING)\n"
        "refresh_profiles(engine, MORNING)\n"
        "cut(engine)\n"
        "assert builders.list_of(engine, ada).picks\n"
        "sys.exit('numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=sys.path[0] or ".").returncode == 0

"""Profiles: papers that resemble liked ones rank above others, from stored feedback alone."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import interests
from digest.issues.profiles.profile import HALF_LIFE, affinities, fit_space
from digest.subscribers.paper_feedback import FeedbackKind, PaperFeedback
from tests.support.scenario import MORNING

SUBJECTS = {
    "graph": ["graph", "node", "edge", "spectral", "message", "passing", "molecule", "community", "link", "clustering"],
    "speech": [
        "speech",
        "audio",
        "phoneme",
        "acoustic",
        "transcription",
        "speaker",
        "voice",
        "waveform",
        "prosody",
        "microphone",
    ],
    "robot": [
        "robot",
        "gripper",
        "arm",
        "manipulation",
        "grasp",
        "tactile",
        "locomotion",
        "torque",
        "quadruped",
        "navigation",
    ],
}
PAPERS = 12


def text_of(subject, number):
    words = SUBJECTS[subject]
    own = [words[(number * step + step) % len(words)] for step in range(1, 6)]
    return f"We study the {' '.join(own)} and report results on the benchmark of {words[number % 3]}."


TEXTS = {f"{subject}-{number}": text_of(subject, number) for subject in SUBJECTS for number in range(PAPERS)}
POOL = list(TEXTS)


@pytest.fixture(scope="module")
def space():
    return fit_space(TEXTS)


def more(*papers, at=MORNING):
    return [PaperFeedback(paper, FeedbackKind.MORE, at) for paper in papers]


def less(*papers, at=MORNING):
    return [PaperFeedback(paper, FeedbackKind.LESS, at) for paper in papers]


def affinity(space, feedback, pool=POOL, now=MORNING):
    (scores,) = affinities(space, [feedback], [pool], now)
    return dict(zip(pool, scores, strict=True))


def mean_of(scores, subject):
    return sum(scores[f"{subject}-{number}"] for number in range(PAPERS)) / PAPERS


def test_the_kin_of_a_liked_paper_rank_before_strangers(space):
    scores = affinity(space, more("graph-1", "graph-4"))
    best = sorted(scores, key=scores.__getitem__, reverse=True)[:PAPERS]
    assert {paper.split("-")[0] for paper in best} == {"graph"}


def test_several_interests_are_all_served(space):
    scores = affinity(space, more("graph-1", "speech-1"))
    assert min(mean_of(scores, "graph"), mean_of(scores, "speech")) > mean_of(scores, "robot") + 0.1


def test_less_like_this_pushes_its_kin_down_and_leaves_the_rest_in_front(space):
    before = affinity(space, more("graph-1", "speech-1"))
    after = affinity(space, [*more("graph-1", "speech-1"), *less("speech-2")])
    assert mean_of(after, "speech") < mean_of(before, "speech") - 0.02
    assert mean_of(after, "graph") >= mean_of(before, "graph")


def test_who_only_said_less_gets_that_below_everything_else(space):
    scores = affinity(space, less("robot-3"))
    assert mean_of(scores, "robot") < -0.1
    assert mean_of(scores, "graph") > mean_of(scores, "robot") + 0.2


def test_a_recent_opinion_weighs_more_than_an_old_one(space):
    long_ago = MORNING - 2 * HALF_LIFE
    scores = affinity(space, [*more("graph-1", at=long_ago), *more("speech-1")])
    assert mean_of(scores, "speech") > mean_of(scores, "graph") > mean_of(scores, "robot")


def test_age_alone_changes_nothing(space):
    feedback = more("graph-1", "speech-1")
    later = affinity(space, feedback, now=MORNING + timedelta(days=365))
    assert later == pytest.approx(affinity(space, feedback), abs=1e-6)


def test_a_clock_that_lags_behind_an_opinion_does_not_blow_it_up(space):
    feedback = more("graph-1", at=MORNING + timedelta(days=40_000))
    assert affinity(space, feedback) == affinity(space, more("graph-1"))


def test_the_last_word_about_a_paper_counts(space):
    assert affinity(space, [*less("graph-1"), *more("graph-1")]) == affinity(space, more("graph-1"))


@given(
    st.lists(
        st.lists(
            st.builds(
                PaperFeedback, st.sampled_from([*POOL, "unknown"]), st.sampled_from(FeedbackKind), st.just(MORNING)
            ),
            max_size=6,
        ),
        min_size=1,
        max_size=20,
    )
)
@settings(deadline=None)
def test_a_batch_is_the_same_as_one_by_one_to_the_bit_and_within_bounds(space, subscribers):
    together = affinities(space, subscribers, [POOL] * len(subscribers), MORNING)
    apart = [affinities(space, [feedback], [list(POOL)], MORNING)[0] for feedback in subscribers]
    assert together == apart
    assert all(-1.0001 <= number <= 1.0001 for scores in together for number in scores)


def test_each_subscriber_may_have_a_pool_of_their_own(space):
    pools = [["graph-2", "robot-2"], ["robot-2"], []]
    scores = affinities(space, [more("graph-1")] * 3, pools, MORNING)
    assert [len(values) for values in scores] == [2, 1, 0]
    assert scores[0][1] == pytest.approx(scores[1][0], abs=1e-6)


def test_the_same_papers_give_the_same_numbers_in_whatever_order_they_come(space):
    again = fit_space(dict(reversed(TEXTS.items())))
    assert affinity(again, more("graph-1", "robot-2")) == affinity(space, more("graph-1", "robot-2"))


def test_nothing_said_or_nothing_known_is_zero(space):
    assert affinities(space, [[], more("unknown")], [["graph-1"], ["graph-1"]], MORNING) == [[0.0], [0.0]]
    assert affinity(space, more("graph-1"), ["unknown"]) == {"unknown": 0.0}


HOSTILE = [
    "", " \n\t", "the", "图神经网络 在 分子 上", "שלום عالم ελληνικά", "𝒢 ∇²f ≤ ε", "\x00\ud800\ufffe",
    "=cmd|' /C calc'!A0", "<script>alert(1)</script>", "word " * 50_000, "x" * 100_000, "-'-’-", "１２３ ㍿ ﬁ İ",
]  # fmt: skip


@pytest.mark.parametrize("copies", [1, 2, 30])
def test_hostile_texts_are_places_like_others(copies):
    texts = {f"{number}-{copy}": text for number, text in enumerate(HOSTILE) for copy in range(copies)}
    hostile = fit_space(texts)
    scores = affinity(hostile, [*more(*texts), *less("0-0")], list(texts))
    assert all(-1.0001 <= number <= 1.0001 for number in scores.values())
    assert scores["0-0"] == 0.0  # an empty text is like nothing


@pytest.mark.parametrize("texts", [{}, {"a": "graph"}, {"a": "graph node", "b": "graph node"}, {"a": "", "b": ""}])
def test_tiny_collections_work(texts):
    scores = affinity(fit_space(texts), more("a"), ["a", "b", "c"])
    assert scores["c"] == 0.0
    assert all(abs(number) <= 1.0001 for number in scores.values())


def test_papers_that_are_all_the_same_say_nothing():
    scores = affinity(fit_space({str(n): "graph node edge" for n in range(9)}), more("3"), [*map(str, range(9))])
    assert scores == dict.fromkeys(scores, 0.0)


def check_real_subscribers(folder, every, pool=500):
    """Our ranking beats a centroid for every n-th of the recorded subscribers, among the papers of their pools."""
    documents, tasks = interests.read(folder)
    some = []
    for task in tasks[::every]:
        others = [paper for paper in task.pool if paper not in task.relevant]
        some.append(interests.Task(task.liked, [*others[: pool - len(task.relevant)], *task.relevant], task.relevant))
    needed = {paper for task in some for paper in (*task.liked, *task.pool)}
    measured = interests.measure({paper: documents[paper] for paper in documents if paper in needed}, some, rounds=1)
    assert measured["ndcg_at_10"] > measured["centroid_ndcg_at_10"] + 0.03
    assert measured.keys() >= {"microseconds_per_subscriber", "centroid_microseconds", "fit_seconds"}


def test_real_subscribers_are_known_better_than_by_a_centroid(shared_data):
    check_real_subscribers(shared_data / "interest", every=40, pool=100)


def test_ndcg_is_one_for_the_ideal_list_and_counts_by_place():
    task = interests.Task(["l"], ["a", "b", "c"], {"b"})
    assert interests.ndcg([[0.0, 1.0, 0.5]], [task]) == pytest.approx(1.0)
    assert interests.ndcg([[1.0, 0.5, 0.0]], [task]) == pytest.approx(0.6309, abs=1e-4)

"""The space of papers: the same for the same texts, open to papers that were not in the fit, and small when stored."""

import io

import numpy as np
import pytest

from digest.issues.profiles.discriminant import background, discriminants, pack, unpack
from digest.issues.profiles.space import fit, from_bytes, to_bytes
from digest.issues.profiles.space.arrays import scale_rows
from digest.issues.profiles.space.encoder import teach
from digest.issues.profiles.space.words import read_words
from tests.issues.profiles.test_profile import SUBJECTS, TEXTS, text_of


@pytest.fixture(scope="module")
def space():
    return fit(TEXTS)


def test_a_paper_of_the_fit_is_placed_where_it_was(space):
    assert space.place(TEXTS) == pytest.approx(
        space.vectors_of(list(TEXTS)), abs=0.03
    )  # equally near papers change places


def test_a_new_paper_is_placed_beside_those_on_its_subject(space):
    (placed,) = space.place({"new": text_of("robot", 3)})
    nearest = sorted(space.rows, key=lambda paper: -float(space.vectors[space.rows[paper]] @ placed))
    assert {paper.split("-")[0] for paper in nearest[:3]} == {"robot"}
    assert not space.place({"other": "nothing of this vocabulary"}).any()


def test_a_stored_space_places_papers_as_before(space):
    again = from_bytes(to_bytes(space))
    assert again.rows == space.rows
    assert again.place(TEXTS) == pytest.approx(space.place(TEXTS), abs=0.03)
    assert to_bytes(fit(dict(reversed(TEXTS.items())))) == to_bytes(space)


def test_a_space_that_the_version_before_stored_with_vectors_is_read_but_none_of_a_later_one(space):
    tables = dict(np.load(io.BytesIO(to_bytes(space))))
    of_before = from_bytes(written(tables | {"version": np.array(1), "vectors": space.vectors.astype(np.int8)}))
    assert of_before.place(TEXTS) == pytest.approx(space.place(TEXTS), abs=0.03)
    with pytest.raises(ValueError, match="version 3"):
        from_bytes(written(tables | {"version": np.array(3)}))


def written(tables):
    stored = io.BytesIO()
    np.savez(stored, **tables)
    return stored.getvalue()


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_archives_of_a_few_papers_have_a_space(count):
    texts = dict(list(TEXTS.items())[:count])
    few = fit(texts)
    assert from_bytes(to_bytes(few)).place(TEXTS).shape == (len(TEXTS), len(few.spectrum))
    liked = few.vectors_of(list(texts))
    assert np.isfinite(discriminants([liked], [np.ones(count, np.float32)], few.spectrum)[0]).all()


def test_the_encoder_learns_which_words_belong_together():
    _, words = read_words(TEXTS.values())
    start = np.random.default_rng(1).standard_normal((words.shape[1], 8), dtype=np.float32)
    encoded = scale_rows(np.asarray(words @ teach(words, start, epochs=60, seed=1), np.float32))
    products = encoded @ encoded.T
    subjects = np.repeat(np.arange(len(SUBJECTS)), len(TEXTS) // len(SUBJECTS))
    same = subjects[:, None] == subjects
    assert products[same].mean() > products[~same].mean() + 0.3


def test_scores_have_the_same_spread_for_everyone(space):
    rated = [space.vectors_of(["graph-1"]), space.vectors_of(["graph-1", "speech-2", "robot-3"])]
    fresh = [np.ones(1, np.float32), np.array([1, 0.5, -1], np.float32)]
    weights, _ = discriminants(rated, fresh, space.spectrum)
    assert (space.vectors @ weights.T).std(axis=0) == pytest.approx([1, 1], abs=0.01)


def test_what_rated_papers_add_makes_up_the_score(space):
    rated, fresh = space.vectors_of(["graph-1", "speech-2", "robot-3"]), np.array([1, 0.5, -1], np.float32)
    (weights,), (coefficients,) = discriminants([rated], [fresh], space.spectrum)
    added = (space.vectors / background(space.spectrum, liked=2)) @ rated.T * coefficients
    assert added.sum(axis=1) == pytest.approx(space.vectors @ weights, abs=1e-4)
    assert added[space.rows["speech-4"]].argmax() == 1


def test_packed_vectors_score_as_the_full_ones(space):
    packed = pack(space.vectors)
    assert unpack(packed) == pytest.approx(space.vectors, abs=0.01)
    weights, _ = discriminants([space.vectors_of(["graph-1"])], [np.ones(1, np.float32)], space.spectrum)
    assert unpack(pack(weights)) @ unpack(packed).T == pytest.approx(weights @ space.vectors.T, abs=0.1)
    assert max(map(len, pack(np.ones((1, 448), np.float32)))) <= 1_000
    halved = np.random.default_rng(1).standard_normal((1_000, 8)).astype(np.float16)
    assert unpack(pack(halved)) == pytest.approx(halved.astype(np.float32), abs=0.02)

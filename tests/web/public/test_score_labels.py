"""The numbers behind a paper's place, as its page shows them."""

from digest.papers.score_terms import ScoreTerms
from digest.web.public.score_labels import score_labels


def test_parts_that_add_nothing_are_left_out_and_the_others_are_in_words():
    labels = score_labels(ScoreTerms(parts={"age": -0.79, "votes": 14.766, "code": -0.0004}, score=13.976))
    assert labels.parts == (("Baseline for its age", -0.79), ("Votes, compared with the best papers", 14.766))
    assert ("Votes", 0.0) in labels.facts


def test_a_term_of_an_older_formula_keeps_its_name():
    assert score_labels(ScoreTerms.from_dict({"old_term": 1.5})).facts == (("old term", 1.5),)

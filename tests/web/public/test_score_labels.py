"""The numbers behind a paper's place, as its page shows them."""

from digest.papers.ranking.ranking import CONTRIBUTION
from digest.web.public.score_labels import score_labels


def test_parts_that_add_nothing_are_left_out_and_the_others_are_in_words():
    terms = {f"{CONTRIBUTION}age": -0.79, f"{CONTRIBUTION}votes": 14.766, f"{CONTRIBUTION}code": -0.0004}
    labels = score_labels(terms | {"upvotes": 0.0, "score": 13.976})
    assert labels.parts == (("Baseline for its age", -0.79), ("Votes, compared with the best papers", 14.766))
    assert labels.facts == (("Votes", 0.0),)


def test_a_term_of_an_older_formula_keeps_its_name():
    assert score_labels({"old_term": 1.5}).facts == (("old term", 1.5),)

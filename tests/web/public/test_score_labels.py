"""The numbers behind a paper's place, as its page shows them."""

from digest.papers.score_terms import ScoreTerms
from digest.web.public.score_labels import score_labels


def test_parts_that_add_nothing_are_left_out_and_the_others_are_in_words():
    labels = score_labels(ScoreTerms(parts={"age": -0.79, "votes": 14.766, "code": -0.0004}, score=13.976))
    assert labels.parts == (("Baseline for its age", -0.79), ("Votes, compared with the best papers", 14.766))
    assert ("Votes", 0.0) in labels.facts


def test_a_term_of_an_older_formula_keeps_its_name():
    assert score_labels(ScoreTerms.from_dict({"old_term": 1.5})).facts == (("old term", 1.5),)


def test_the_reasons_make_more_than_half_of_what_raised_the_score_or_are_not_told():
    def reasons(**parts: float) -> list[str]:
        return [str(reason) for reason in score_labels(ScoreTerms(parts=parts)).reasons]

    assert reasons(age=5, votes=3, near=1, pace=2, waiting=-1) == ["its votes so far"]
    assert reasons(votes=-4, authors_growth=1, words=1.2, stars=0.5) == [
        "the words of its title and abstract",
        "how votes grew for its authors’ earlier papers",
    ]
    assert reasons(old_term=4, votes=1) == []
    assert reasons(votes=-1, waiting=-1) == []
    assert reasons(**dict.fromkeys(("votes", "pace", "place", "list", "authors", "stars", "project"), 1.0)) == []

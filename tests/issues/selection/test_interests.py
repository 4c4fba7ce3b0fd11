"""Which papers a followed or muted thing matches, and in which order interests count."""

import pytest

from digest.issues.selection.interests import Catalogue, Interest, InterestKind, interests_of, muted_by, numbers_in
from digest.subscribers.subscriber import Preferences
from tests.support.scenario import paper

AUTHOR, KEYWORD, LAB = InterestKind.AUTHOR, InterestKind.KEYWORD, InterestKind.LAB
TOPIC, CATEGORY = InterestKind.TOPIC, InterestKind.CATEGORY


@pytest.mark.parametrize(
    ("kind", "word", "details", "matches"),
    [
        (KEYWORD, "tool", {"title": "A toolkit"}, False),  # four letters are a whole word
        (KEYWORD, "tool", {"title": "Many tools"}, True),
        (KEYWORD, "tool", {"title": "A multitool"}, False),
        (KEYWORD, "speec", {"title": "On speech"}, True),  # five may begin one
        (KEYWORD, "peech", {"title": "On speech"}, False),
        (KEYWORD, "speech", {"keywords": ("Speech",)}, True),
        (KEYWORD, "C++", {"title": "C++17 for all"}, True),
        (KEYWORD, "C++", {"title": "Abc++"}, False),
        (KEYWORD, "C#", {"title": "Abc#"}, False),
        (KEYWORD, "#R", {"title": "The #ring"}, False),
        (KEYWORD, ".NET", {"title": "ASP.NET in practice"}, True),
        (KEYWORD, ".NET", {"title": "ASP.NETWORK"}, False),
        (KEYWORD, "Poincare", {"title": "The Poincaré ball"}, True),
        (KEYWORD, "--", {"title": "Tools -- and more"}, False),
        (LAB, "- -", {"organization": "A - B"}, False),
        (AUTHOR, "Ada  Lovelace", {"authors": ("ADA LOVELACE",)}, True),
        (AUTHOR, "Ada", {"authors": ("Ada Lovelace",)}, False),
        (LAB, "deepmind", {"organization": "Google DeepMind"}, True),
        (LAB, "google deepmind", {"organization": "Google"}, False),
        (LAB, "mind", {"organization": "Google DeepMind"}, False),
        (LAB, "(AI)", {"organization": "Institute (AI) West"}, True),
        (CATEGORY, "CS.lg", {"categories": ("cs.LG",)}, True),
        (CATEGORY, "cs.L", {"categories": ("cs.LG",)}, False),
        (TOPIC, "speech", {"categories": ("cs.SD",)}, True),
        (TOPIC, "speech", {"categories": ("CS.sd",)}, True),
        (TOPIC, "no-topic", {"categories": ("cs.SD",)}, False),
    ],
)
def test_a_match_is_what_a_person_would_call_one(kind, word, details, matches):
    catalogue = Catalogue([paper(1, title="Nothing", authors=(), categories=()), paper(2, **details)])
    assert list(numbers_in(catalogue.matches(Interest(kind, word)))) == ([1] if matches else [])


def test_the_most_specific_interests_come_first():
    everything = Preferences(
        topics=("speech",), keywords=("a", "b"), categories=("cs",), authors=("Ada",), labs=("Lab",)
    )
    assert interests_of(everything) == (
        (AUTHOR, "Ada"),
        (KEYWORD, "a"),
        (KEYWORD, "b"),
        (LAB, "Lab"),
        (TOPIC, "speech"),
        (CATEGORY, "cs"),
    )
    assert not interests_of(Preferences())
    assert not muted_by(Preferences())


def test_topics_and_words_can_be_muted():
    assert muted_by(Preferences(muted_topics=("speech",), muted_words=("gossip",))) == [
        (TOPIC, "speech"),
        (KEYWORD, "gossip"),
    ]

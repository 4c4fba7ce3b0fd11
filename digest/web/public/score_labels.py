"""The numbers behind a paper's place → words for readers. Pure. docs/ranking.md tells what each number is."""

from dataclasses import dataclass

from digest.language import Message, _
from digest.papers.ranking.terms import ScoreTerms

Lines = tuple[tuple[str, "float | Message"], ...]

_PARTS = {
    "age": _("What is usual at its age"),
    "votes": _("Its votes, against those of the best"),
    "near": _("How near it is to the best while young"),
    "pace": _("How fast its votes grow"),
    "place": _("Its place on the list of its day"),
    "list": _("How long that list is"),
    "authors": _("How many authors it has"),
    "code": _("Published code"),
    "stars": _("Stars of its code"),
    "project": _("A project page"),
    "organization": _("Earlier papers of its organisation"),
    "submitter": _("Earlier papers of who listed it"),
    "lateness": _("The time it has waited"),
    "no_votes": _("Nobody can vote for it where it was found"),
}
_FACTS = {
    "voted": _("Readers can vote for it"),
    "upvotes": _("Votes"),
    "upvotes_before": _("Votes half a day before"),
    "burst": _("Votes that came implausibly fast"),
    "hackernews": _("Points at Hacker News"),
    "comments": _("Comments"),
    "points": _("Votes that count in the end"),
    "stars": _("Stars of its code"),
    "code": _("Published code"),
    "project": _("A project page"),
    "authors": _("Number of authors"),
    "organization_record": _("Record of its organisation"),
    "submitter_record": _("Record of who listed it"),
    "age_hours": _("Hours since it was listed"),
    "votes_age_hours": _("Hours from then to the last look at its votes"),
    "known_days": _("Days since we first saw it"),
    "waited_days": _("Days for which it has waited"),
    "level": _("What it takes to be among the best, as a logarithm of votes"),
    "place": _("Place on the list of its day"),
    "listed": _("Papers on that list"),
}
_DECIMALS = 3  # as pages write numbers
_YES_OR_NO = ("voted", "code", "project")
_UNKNOWN_BELOW_0 = ("upvotes_before",)


@dataclass(frozen=True, slots=True)
class ScoreLabels:
    """What adds up to a score, and what that was computed from: words, and a number or more words."""

    parts: Lines
    facts: Lines


def standing_of(terms: ScoreTerms) -> ScoreLabels:
    """The terms of a score; parts that are nought to three decimals are left out, as they add nothing.

    What an older formula knew keeps the name that it had there.
    """
    parts = [(name, value) for name, value in terms.parts.items() if round(value, _DECIMALS)]
    return ScoreLabels(
        tuple((_PARTS.get(name, _plain(name)), value) for name, value in parts),
        tuple((_FACTS.get(name, _plain(name)), _said(name, value)) for name, value in terms.facts.items()),
    )


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _said(name: str, value: float) -> float | Message:
    if name in _YES_OR_NO:
        return _("yes") if value else _("no")
    return _("not known") if name in _UNKNOWN_BELOW_0 and value < 0 else value

"""The numbers behind a paper's rank → words. Pure. docs/ranking.md tells what each number is."""

from collections.abc import Mapping
from dataclasses import dataclass

from digest.language import Message, _
from digest.papers.ranking.coefficients import CHANCE
from digest.papers.score_terms import ScoreTerms

Lines = tuple[tuple[str, "float | Message"], ...]

_PARTS = {
    "age": _("Baseline for its age"),
    "votes": _("Votes, compared with the best papers"),
    "near": _("Votes close to the best papers while still new"),
    "pace": _("Vote growth"),
    "place": _("Position on that day’s list"),
    "list": _("Length of that day’s list"),
    "authors": _("Number of authors"),
    "code": _("Published code"),
    "stars": _("GitHub stars"),
    "project": _("Project page"),
    "organization": _("Earlier papers from its organisation"),
    "submitter": _("Earlier papers from its submitter"),
    "submitter_growth": _("Growth of votes for its submitter’s earlier papers"),
    "authors_growth": _("Growth of votes for its authors’ earlier papers"),
    "submitter_papers": _("Number of papers from its submitter"),
    "words": _("Words of its title and abstract"),
    "waiting": _("Time since it was new"),
    "lateness": _("Time spent waiting"),  # until formula 1
    "no_votes": _("No voting at its source"),
    "breadth": _("Its turn among papers of the same subject"),
}
_VOTES = _("its votes so far")
_REASONS = {
    "votes": _VOTES,
    "near": _VOTES,
    "pace": _("how fast its votes are growing"),
    "place": _("its position on that day’s list"),
    "list": _("the length of that day’s list"),
    "authors": _("the number of its authors"),
    "stars": _("the GitHub stars of its code"),
    "project": _("its project page"),
    "organization": _("earlier papers from its organisation"),
    "submitter": _("earlier papers from its submitter"),
    "submitter_growth": _("how votes grew for its submitter’s earlier papers"),
    "authors_growth": _("how votes grew for its authors’ earlier papers"),
    "submitter_papers": _("the number of papers from its submitter"),
    "words": _("the words of its title and abstract"),
}
_MOST_REASONS = 3
# Evidence other than the votes themselves; most of it counts only while a paper is new.
EARLY_LABELS = tuple(_PARTS[name] for name in (*CHANCE, "words") if name not in ("age", "votes"))
_FACTS = {
    "voted": _("Voting at its source"),
    "upvotes": _("Votes"),
    "upvotes_before": _("Votes half a day earlier"),
    "burst": _("Votes that came suspiciously fast"),
    "hackernews": _("Points on Hacker News"),
    "comments": _("Comments"),
    "points": _("Votes as counted"),
    "stars": _("GitHub stars"),
    "code": _("Published code"),
    "project": _("Project page"),
    "authors": _("Number of authors"),
    "organization_record": _("Track record of its organisation"),
    "submitter_record": _("Track record of its submitter"),
    "submitter_growth": _("Usual growth of votes for its submitter’s papers"),
    "authors_growth": _("Usual growth of votes for its authors’ papers"),
    "submitter_papers": _("Earlier papers of its submitter"),
    "words": _("Weight of the words of its title and abstract"),
    "age_hours": _("Hours since it was listed"),
    "votes_age_hours": _("Hours from listing to the last vote count"),
    "known_days": _("Days since we first saw it"),
    "waited_days": _("Days waiting"),
    "level": _("Votes needed to be among the best (logarithm)"),
    "place": _("Position on that day’s list"),
    "listed": _("Papers on that day’s list"),
    "subject_place": _("Position among new papers of its subject"),
    "subject_papers": _("New papers of its subject"),
}
_DECIMALS = 3  # as pages write numbers
_YES_OR_NO = ("voted", "code", "project")
_UNKNOWN_BELOW_0 = ("upvotes_before",)


@dataclass(frozen=True, slots=True)
class ScoreLabels:
    """The parts of a score, and the facts behind them: a label, and a number or words."""

    parts: Lines
    facts: Lines
    reasons: tuple[Message, ...]  # make up over half of the rise of the score; none if too many are needed


def score_labels(terms: ScoreTerms) -> ScoreLabels:
    """The terms of a score; parts that round to zero are left out.

    The terms of an older formula keep the names that they had there.
    """
    return ScoreLabels(
        tuple(
            (_PARTS.get(name, _plain(name)), value) for name, value in terms.parts.items() if round(value, _DECIMALS)
        ),
        tuple((_FACTS.get(name, _plain(name)), _in_words(name, value)) for name, value in terms.facts.items()),
        _reasons(terms.parts),
    )


def _reasons(parts: Mapping[str, float]) -> tuple[Message, ...]:
    raised: dict[Message | None, float] = {}
    for name, value in parts.items():
        if value > 0 and name != "age":  # which is the same for every paper of that age
            raised[_REASONS.get(name)] = raised.get(_REASONS.get(name), 0.0) + value
    half, told, reasons = sum(raised.values()) / 2, 0.0, list[Message]()
    for reason, value in sorted(raised.items(), key=lambda item: -item[1])[:_MOST_REASONS]:
        if reason is None:
            break
        reasons.append(reason)
        told += value
        if told > half:
            return tuple(reasons)
    return ()


def part_label(name: str) -> str:
    """The name of a part of a score for people."""
    return str(_PARTS.get(name, _plain(name)))


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _in_words(name: str, value: float) -> float | Message:
    if name in _YES_OR_NO:
        return _("yes") if value else _("no")
    return _("unknown") if name in _UNKNOWN_BELOW_0 and value < 0 else value

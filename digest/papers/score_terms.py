"""Every number that led to a paper's score, and how it is stored. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

CONTRIBUTION = "from_"  # stored names that start so are parts that add up to the score


@dataclass(slots=True)
class ScoreTerms:
    """The inputs of a score, in the order of the formula, and the parts that add up to it.

    docs/ranking.md explains each number. Yes and no are 1 and 0. Only the ranking changes one, while it fills it in.
    """

    voted: float = 0.0
    upvotes: float = 0.0
    upvotes_before: float = -1.0  # below 0: not known
    burst: float = 0.0
    hackernews: float = 0.0
    comments: float = 0.0
    stars: float = 0.0
    code: float = 0.0
    project: float = 0.0
    authors: float = 0.0
    organization_record: float = 0.0
    submitter_record: float = 0.0
    submitter_growth: float = 0.0
    authors_growth: float = 0.0
    submitter_papers: float = 0.0
    words: float = 0.0
    age_hours: float = 0.0
    votes_age_hours: float = 0.0
    known_days: float = 0.0
    waited_days: float = 0.0
    level: float = 0.0
    place: float = 0.0
    listed: float = 0.0
    subject_place: float = 0.0  # this and the next: of papers that nobody votes on
    subject_papers: float = 0.0
    points: float = 0.0
    parts: Mapping[str, float] = field(default_factory=dict)
    score: float = 0.0
    gained: float | None = None  # votes of the last day, which the score does not count; None: not known
    # Of an issue that editors changed; None: no effect on this paper.
    pinned: float | None = None  # 1: they put it at the top
    score_rank: float | None = None  # the rank that its score alone would give it
    postponed_days: float | None = None  # since it was first seen, for which they postponed it
    earlier: Mapping[str, float] = field(default_factory=dict)  # all that another formula stored, without parts

    @property
    def has_votes(self) -> bool:
        """True if anyone voted on the paper."""
        return self.upvotes > 0 or self.hackernews > 0

    @property
    def is_pinned(self) -> bool:
        """True if an editor put the paper into its issue, whatever its score."""
        return bool(self.pinned)

    @property
    def open_days(self) -> float:
        """The days for which an issue could have had the paper: since it was first seen, or was postponed to."""
        return self.known_days - (self.postponed_days or 0.0)

    @property
    def facts(self) -> dict[str, float]:
        """The inputs of the score, by their stored names."""
        if self.earlier:
            return {name: value for name, value in self.earlier.items() if name not in ("score", "gained")}
        return {name: getattr(self, name) for name in _FACTS}

    def as_dict(self) -> dict[str, float]:
        """For storing and for JSON, in the order of the formula."""
        parts = {CONTRIBUTION + name: value for name, value in self.parts.items()}
        optional = {name: value for name in _OPTIONAL if (value := getattr(self, name)) is not None}
        return self.facts | optional | parts | {"score": self.score}

    @classmethod
    def from_dict(cls, stored: Mapping[str, float]) -> "ScoreTerms":
        """The terms that as_dict() gave, of this version's formula or another."""
        parts: dict[str, float] = {}
        others: dict[str, float] = {}
        for name, value in stored.items():
            if name.startswith(CONTRIBUTION):
                parts[name.removeprefix(CONTRIBUTION)] = value
            else:
                others[name] = value
        is_of_this_formula = others.keys() | _OPTIONAL.keys() == _NUMBERS
        values: dict[str, Any] = (
            others if is_of_this_formula else {name: others[name] for name in _NUMBERS & others.keys()}
        )
        return cls(**values, parts=parts, earlier={} if is_of_this_formula else others)


_NUMBERS = {term.name for term in fields(ScoreTerms)} - {"parts", "earlier"}
_OPTIONAL = dict.fromkeys(("gained", "pinned", "score_rank", "postponed_days"))  # in the order of storing
_FACTS = tuple(term.name for term in fields(ScoreTerms) if term.name in _NUMBERS - {"score"} - _OPTIONAL.keys())

"""The fitted constants of the ranking. Between two ages a coefficient is linear in the logarithm of the age."""

import math
from bisect import bisect_right

KNOTS = (3.0, 8.0, 16.0, 30.0, 60.0, 120.0)  # hours from the listing to the latest observation of the votes
GROWTH = (0.5, 0.4, 0.3, 0.2, 0.1, 0.0)  # how much the logarithm of the votes grows after each; rounded means of 2025

# The odds of being among the week's best, by logistic regression. benchmarks/fit_ranking.py writes this table.
CHANCE: dict[str, tuple[float, ...]] = {
    "age": (-2.33, -2.28, -2.22, -0.84, -0.78, -0.83),
    "votes": (0.12, 1.04, 0.75, 6.43, 9.03, 9.55),
    "near": (2.63,),
    "pace": (0.26,),
    "place": (-1.05,),
    "list": (-0.66,),
    "authors": (0.33,),
    "code": (-0.45,),
    "stars": (0.16,),
    "project": (0.4,),
    "organization": (0.22,),
    "submitter": (0.62,),
    "submitter_growth": (1.71,),
    "authors_growth": (1.11,),
    "submitter_papers": (0.06,),
}

_LOGARITHMS = tuple(math.log(knot + 2) for knot in KNOTS)


Knots = tuple[tuple[int, float], tuple[int, float]]


def between_knots(age_hours: float) -> Knots:
    """The two knots around an age with their shares, which add up to 1. The first and last knot bound the age."""
    logarithm = math.log(min(max(KNOTS[0], age_hours), KNOTS[-1]) + 2)
    after = min(bisect_right(_LOGARITHMS, logarithm), len(KNOTS) - 1)
    share = (logarithm - _LOGARITHMS[after - 1]) / (_LOGARITHMS[after] - _LOGARITHMS[after - 1])
    return ((after - 1, 1 - share), (after, share))

"""The fitted constants of the ranking. Between two ages a coefficient is linear in the logarithm of the age."""

import math
from bisect import bisect_right

KNOTS = (3.0, 8.0, 16.0, 30.0, 60.0, 120.0)  # hours from the listing to the latest observation of the votes
GROWTH = (0.5, 0.4, 0.3, 0.2, 0.1, 0.0)  # how much the logarithm of the votes grows after each; rounded means of 2025

# The odds of being among the week's best, by logistic regression. benchmarks/fit_ranking.py writes this table.
CHANCE: dict[str, tuple[float, ...]] = {
    "age": (-2.48, -2.17, -1.86, -0.25, -0.34, -0.75),
    "votes": (0.07, 1.1, 0.98, 6.94, 9.43, 9.65),
    "near": (2.84,),
    "pace": (0.3,),
    "place": (-1.08,),
    "list": (-0.76,),
    "authors": (0.37,),
    "code": (-0.48,),
    "stars": (0.17,),
    "project": (0.44,),
    "organization": (0.27,),
    "submitter": (0.68,),
    "submitter_growth": (1.81,),
    "authors_growth": (1.22,),
    "submitter_papers": (0.07,),
}

_LOGARITHMS = tuple(math.log(knot + 2) for knot in KNOTS)


Knots = tuple[tuple[int, float], tuple[int, float]]


def between_knots(age_hours: float) -> Knots:
    """The two knots around an age with their shares, which add up to 1. The first and last knot bound the age."""
    logarithm = math.log(min(max(KNOTS[0], age_hours), KNOTS[-1]) + 2)
    after = min(bisect_right(_LOGARITHMS, logarithm), len(KNOTS) - 1)
    share = (logarithm - _LOGARITHMS[after - 1]) / (_LOGARITHMS[after] - _LOGARITHMS[after - 1])
    return ((after - 1, 1 - share), (after, share))

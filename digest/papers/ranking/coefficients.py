"""The fitted constants of the ranking. Between two ages a coefficient is linear in the logarithm of the age."""

import math
from bisect import bisect_right

KNOTS = (3.0, 8.0, 16.0, 30.0, 60.0, 120.0)  # hours from the listing to the latest observation of the votes
GROWTH = (0.5, 0.4, 0.3, 0.2, 0.1, 0.0)  # how much the logarithm of the votes grows after each; rounded means of 2025

# The odds of being among the week's best, by logistic regression. benchmarks/fit_ranking.py writes this table.
CHANCE: dict[str, tuple[float, ...]] = {
    "age": (-2.35, -1.91, -1.81, 0.06, -0.37, -0.79),
    "votes": (0.04, 0.83, 1.33, 7.12, 6.37, 11.29),
    "near": (2.69,),
    "pace": (0.47,),
    "place": (-1.32,),
    "list": (-0.74,),
    "authors": (0.52,),
    "code": (-0.76,),
    "stars": (0.2,),
    "project": (0.37,),
    "organization": (1.07,),
    "submitter": (0.91,),
}

_LOGARITHMS = tuple(math.log(knot + 2) for knot in KNOTS)


def between_knots(age_hours: float) -> tuple[tuple[int, float], tuple[int, float]]:
    """The two knots around an age with their shares, which add up to 1. The first and last knot bound the age."""
    logarithm = math.log(min(max(KNOTS[0], age_hours), KNOTS[-1]) + 2)
    after = min(bisect_right(_LOGARITHMS, logarithm), len(KNOTS) - 1)
    share = (logarithm - _LOGARITHMS[after - 1]) / (_LOGARITHMS[after] - _LOGARITHMS[after - 1])
    return ((after - 1, 1 - share), (after, share))

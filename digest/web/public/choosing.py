"""The page on how papers are chosen, for subscribers. Its numbers are the constants' and the newest issue's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import Request, Response

from digest.database.engine import read_singly
from digest.issues.archive import part_of_issue
from digest.issues.figures import votes_and_scores
from digest.issues.selection import FEWEST
from digest.papers.ranking import FLOOR, FORMULA, WEEK_BEST
from digest.subscribers.preferences import DEFAULTS
from digest.web.cards import paper_card
from digest.web.public.issue_chart import Dot, chance_of, count_below, count_best, issue_chart
from digest.web.public.score_labels import EARLY_LABELS
from digest.web.site import REVALIDATED, PageRouter, TheSite, same_for_all

PATH = "/how-papers-are-chosen"
_FEWEST_DOTS = 20  # with fewer voted papers, a made-up issue shows more


@dataclass(frozen=True, slots=True)
class Backtest:
    """A measurement of benchmarks/RESULTS.md; a test compares them."""

    measured_on: date
    papers: int  # sent a day
    recall: float  # share of each week's best that were sent
    delay: float  # hours after they were first seen, on average
    start: date  # months
    end: date


MEASURED = Backtest(date(2026, 11, 28), 10, 0.975, 4.55, date(2026, 1, 1), date(2026, 5, 1))

# Votes and scores of a usual day, for a site that has no issue to draw yet.
_EXAMPLE: tuple[Dot, ...] = (
    (143, 3.6), (96, 2.4), (61, 1.2), (88, 1.1), (40, 0.6), (52, 0.1), (17, -0.2), (33, -0.5), (9, -0.9), (24, -1.0),
    (21, -1.4), (6, -1.6), (15, -1.9), (30, -2.1), (4, -2.3), (12, -2.6), (3, -2.8), (18, -3.1), (8, -3.3), (2, -3.4),
    (5, -3.8), (10, -4.1), (1, -4.2), (3, -4.6), (7, -4.9), (2, -5.1), (0, -5.2), (4, -5.5), (1, -5.7), (0, -5.9),
)  # fmt: skip

router = PageRouter()


@router.page(PATH)
def how_papers_are_chosen(site: TheSite, request: Request) -> Response:
    """The same for everybody."""
    with read_singly(site.engine) as connection:
        part = part_of_issue(connection, range(1, 2))
        voted = votes_and_scores(connection, part.issue.id) if part and part.issue.formula == FORMULA else ()
    settings = site.settings
    floor = None if settings.full_lists else FLOOR
    page = site.pages.show(
        "choosing",
        canonical=settings.public_url + PATH,
        day=part.issue.date if part else None,
        first=paper_card(part.papers[0].paper) if part else None,
        picture=_picture(voted, floor),
        early=EARLY_LABELS,
        week_best=WEEK_BEST,
        pool_days=settings.pool_days,
        measured=MEASURED,
        found=int(100 * MEASURED.recall),
        floor=None if floor is None else round(100 * chance_of(floor)),
        fewest=FEWEST,
        voting=[name for name in settings.sources if name in ("huggingface", "hackernews")],
        suggesting=site.takes_suggestions,
    )
    return same_for_all(request, page, cache=REVALIDATED)


def _picture(voted: Sequence[Dot], floor: float | None) -> dict[str, Any]:
    """The chart, and the numbers of its text alternative."""
    is_real = len(voted) >= _FEWEST_DOTS
    dots = voted if is_real else _EXAMPLE
    best = count_best(dots, DEFAULTS.papers, floor)
    return {
        "chart": issue_chart(dots, best, floor),
        "is_real": is_real,
        "papers": len(dots),
        "best": best,
        "below": count_below(dots, floor),
    }

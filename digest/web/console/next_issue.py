"""The next issue as it would be now, to how many, and what operators change in it before its cut."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from fastapi import HTTPException, Query, Response

from digest import clock
from digest.database.engine import read_only
from digest.issues import editing
from digest.issues.editing import Choice, EditorialChoice
from digest.issues.publish import cut_time, next_day
from digest.issues.reasons import place_of
from digest.ledger.kinds import IssueKind
from digest.monitoring.surroundings import read_sources
from digest.papers.paper import Paper, RankedPaper
from digest.papers.search import Filters, parse_query, search
from digest.papers.store import papers_with
from digest.papers.topics import topics_of
from digest.settings import composing
from digest.subscribers.preferences import value
from digest.text import one_line, parse_date
from digest.web.cards import UNTITLED
from digest.web.console.access import AnyRole, ConsoleRouter, OperatorOnly, Visitor, go_to
from digest.web.console.actions import reason_in
from digest.web.console.forecast import forecast_of
from digest.web.site import Posted

router = ConsoleRouter()

_PAPERS, _HITS = 30, 10  # on the page
_LONGEST_ID = 80


_DAILY = IssueKind.DAILY


@dataclass(frozen=True, slots=True)
class NextPaper:
    """One paper on the page, with what was chosen about it."""

    paper: Paper
    ranked: RankedPaper | None  # None outside the list, and while that is not ranked yet
    choice: EditorialChoice | None

    @property
    def title(self) -> str:
        return one_line(self.paper.title) or UNTITLED

    @property
    def topics(self) -> str:
        return ", ".join(topic.name for topic in topics_of(self.paper))

    @property
    def reason(self) -> str:
        """As messages give it."""
        return str(place_of(self.ranked, _DAILY)) if self.ranked else ""


@router.page("/next")
def show_next(visitor: AnyRole, q: Annotated[str, Query(max_length=400)] = "") -> Response:
    """The list, its subscribers, its sources and choices; with `q` also the papers that a search finds."""
    site, now, plan = visitor.site, clock.now(), composing.plan(visitor.site.settings, signs=False)
    with read_only(site.engine) as connection:
        day = next_day(connection, now)
        stored = editing.choices_of(connection, day)
        sources = read_sources(connection, site.settings.sources, now)
        hits = [hit.paper for hit in search(connection, parse_query(q), Filters(), _HITS).hits] if q.strip() else []
        chosen = editing.in_force(stored, day)
        named = papers_with(connection, [each.paper_id for each in chosen])
    forecast, choices = forecast_of(site.engine), editing.choices_for(stored, day, editing.pool_days(_DAILY, plan))
    pool, reach = forecast.pool(site.engine, plan, day, choices), forecast.reach(site.engine, plan, day)
    papers, best = forecast.papers(pool.value, choices, plan) if pool else ((), 0)
    shown = _shown(papers, chosen)
    return visitor.show(
        "next",
        day=day,
        cut_at=cut_time(plan, day),
        is_late=cut_time(plan, day) < now,
        tomorrow=day + timedelta(days=1),
        pool=pool,
        reach=reach,
        seconds_since=lambda at: max(0, round((now - at).total_seconds())),
        sources=sources,
        chosen=[shown(named[each.paper_id]) for each in chosen],
        papers=[shown(ranked.paper) for ranked in papers[: min(_PAPERS, best)]],
        best=min(best, len(papers)),
        q=q.strip(),
        hits=list(map(shown, hits)),
    )


def _shown(papers: Sequence[RankedPaper], chosen: Sequence[EditorialChoice]) -> Callable[[Paper], NextPaper]:
    """A function that adds to a paper its rank and what was chosen about it."""
    ranked = {paper.paper.id: paper for paper in papers}
    choices = {each.paper_id: each for each in chosen}
    return lambda paper: NextPaper(paper, ranked.get(paper.id), choices.get(paper.id))


# --- what operators do ---


@router.action("/next/pin")
def pin_paper(visitor: OperatorOnly, form: Posted) -> Response:
    return _choose(visitor, form, Choice.PINNED)


@router.action("/next/remove")
def remove_paper(visitor: OperatorOnly, form: Posted) -> Response:
    return _choose(visitor, form, Choice.REMOVED)


@router.action("/next/postpone")
def postpone_paper(visitor: OperatorOnly, form: Posted) -> Response:
    return _choose(visitor, form, Choice.POSTPONED)


@router.action("/next/undo")
def undo_choice(visitor: OperatorOnly, form: Posted) -> Response:
    day, paper_id = _about(form)
    return _changed(visitor, "undone", lambda: bool(editing.undo(visitor.site.engine, day, paper_id, clock.now())))


def _choose(visitor: Visitor, form: Posted, choice: Choice) -> Response:
    day, paper_id = _about(form)
    until = parse_date(value(form, "until")) if choice is Choice.POSTPONED else None
    wanted = EditorialChoice(day, paper_id, choice, visitor.name, clock.now(), reason_in(form), until)
    return _changed(visitor, f"paper-{choice}", lambda: editing.choose(visitor.site.engine, wanted))


def _about(form: Posted) -> tuple[date, str]:
    """The issue that the page was about, and the paper. Raises HTTPException 400."""
    day, paper_id = parse_date(value(form, "day")), value(form, "paper")
    if day is None or not 0 < len(paper_id) <= _LONGEST_ID:
        raise HTTPException(400)
    return day, paper_id


def _changed(visitor: Visitor, done: str, change: Callable[[], bool]) -> Response:
    """The page again, or why the choice was refused."""
    try:
        changed = change()
    except editing.BadChoice as problem:
        status = 409 if isinstance(problem, editing.IssueWasCut) else 400
        return visitor.show("refused", status, heading="Nothing has changed", why=f"{str(problem).capitalize()}.")
    return go_to(visitor.site, f"/next?done={done if changed else 'unchanged'}")

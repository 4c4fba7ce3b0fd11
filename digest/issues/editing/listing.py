"""The one way from the pool to the list of an issue, for the cut and for everyone who wants to see it before."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from digest.issues.editing.choices import IssueChoices, choices_for, edited, start_of
from digest.issues.editing.store import choices_of
from digest.issues.issue import Issue, Plan
from digest.issues.profiles import ready_space
from digest.issues.selection import RULES
from digest.issues.store import last_cut
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.papers.paper import Observed, RankedPaper
from digest.papers.ranking import FORMULA, RECORD_DAYS, RankingWeights, late_days, rank, track_records
from digest.papers.store import observed_among, past, pool

WEEK_DAYS = 7  # the papers of a weekly issue were first seen within so many days before its cut
_CATCH_UP_DAYS = 30  # the longest pause that the form offers
_DAYS = {IssueKind.WEEKLY: WEEK_DAYS, IssueKind.CATCH_UP: _CATCH_UP_DAYS}
_LARGEST_POOL = 10_000  # papers that an issue keeps; only weeks of several large archives have more


@dataclass(frozen=True, slots=True)
class IssueList:
    """The list of an issue as it would be cut."""

    papers: tuple[RankedPaper, ...]  # the whole pool, by rank
    best: int  # of them, those that its page shows
    recent: int  # of them, those first seen since the cut before
    is_quiet: bool  # no source listed a paper


@dataclass(frozen=True, slots=True)
class RankedPool:
    """The papers that an issue may have, by score: its pool, and what choices add to it."""

    papers: tuple[RankedPaper, ...]
    listed: Sequence[Observed]  # those that are new enough for it
    added: frozenset[str]  # ids of those that choices add, if they are there and not withdrawn

    def lacks(self, wanted: Set[str]) -> bool:
        """True if it was ranked before a choice added one of these papers."""
        missing = wanted - self.added
        return bool(missing) and not missing <= {paper.paper.id for paper in self.papers}


def issue_list(connection: Connection, plan: Plan, kind: IssueKind, day: date, now: datetime) -> IssueList:
    """The list of the issue of `day` at `now`, with the editorial choices stored for it."""
    choices = choices_for(choices_of(connection, day), day, pool_days(kind, plan))
    ranked = ranked_pool(connection, plan, kind, choices, now)
    previous_cut = last_cut(connection, IssueKind.DAILY, day)
    papers, best = list_of(ranked, choices, plan)
    if kind is IssueKind.DAILY:
        late = {observed.paper.id: late_days(observed, previous_cut) for observed in ranked.listed}
        papers = tuple(replace(paper, late_days=late.get(paper.paper.id, 0)) for paper in papers)
    since = previous_cut or now - timedelta(days=1)
    fresh = (observed for observed in ranked.listed if observed.paper.id not in choices.left_out)
    recent = sum(observed.first_seen_at > since for observed in fresh)
    return IssueList(papers, best, recent, not ranked.listed)


def imagined_issue(connection: Connection, plan: Plan, kind: IssueKind, day: date, now: datetime) -> Issue:
    """The issue of `day` as it would be cut at `now`. It has no number, since it is not stored."""
    listed, weights = issue_list(connection, plan, kind, day, now), ranking_weights(kind, plan)
    settings = replace(plan.settings, pool_days=pool_days(kind, plan), floor=plan.floor, rules=RULES)
    return Issue(
        id=0,
        kind=kind,
        date=day,
        cut_at=now,
        status=IssueStatus.RUNNING,
        formula=FORMULA,
        weights=weights.as_dict(),
        settings=settings,
        candidates=0,
        note="",
        papers=listed.papers[: listed.best],
        space_id=ready_space(connection),
        others=listed.papers[listed.best :],
    )


def ranked_pool(
    connection: Connection, plan: Plan, kind: IssueKind, choices: IssueChoices, now: datetime
) -> RankedPool:
    """Rank the pool of an issue at `now`. Of the choices, only which papers they add or bring back matters."""
    listed = pool(connection, now - timedelta(days=pool_days(kind, plan)), now)
    window, extra = _observed(connection, choices, listed, now)
    records = track_records(past(connection, now - timedelta(days=RECORD_DAYS), now), now)
    added = frozenset({*choices.pinned, *choices.returned})
    return RankedPool(rank(window, ranking_weights(kind, plan), now, records, extra), window, added)


def list_of(ranked: RankedPool, choices: IssueChoices, plan: Plan) -> tuple[tuple[RankedPaper, ...], int]:
    """The papers of an issue by rank, and how many of them are its best."""
    papers = edited(ranked.papers, choices)[:_LARGEST_POOL]
    return papers, max(plan.papers, sum(paper.terms.is_pinned for paper in papers))


def pool_days(kind: IssueKind, plan: Plan) -> int:
    """The papers of an issue were first seen within so many days before its cut."""
    return _DAYS.get(kind, plan.pool_days)


def ranking_weights(kind: IssueKind, plan: Plan) -> RankingWeights:
    """Weights that do not favour the last days of the weeks that a special issue covers."""
    return replace(plan.weights, waiting=0.0) if kind in _DAYS else plan.weights


def _observed(
    connection: Connection, choices: IssueChoices, listed: Sequence[Observed], now: datetime
) -> tuple[list[Observed], list[Observed]]:
    """The papers of the pool, and those that are too old for it, which choices add to it."""
    chosen = {*choices.pinned, *choices.returned} - {observed.paper.id for observed in listed}
    extra = observed_among(connection, chosen, now)

    def with_return(observed: Observed) -> Observed:
        until = choices.returned.get(observed.paper.id)
        return replace(observed, postponed_to=min(start_of(until), now)) if until else observed

    return list(map(with_return, listed)), list(map(with_return, extra))

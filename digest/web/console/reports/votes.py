"""The votes behind the list of an issue: a chart of all its papers, and the numbers of the best."""

from dataclasses import dataclass

from sqlalchemy import Connection

from digest.issues.figures import votes_and_scores
from digest.issues.issue import Issue
from digest.issues.store import issue_on
from digest.papers.paper import RankedPaper
from digest.papers.ranking import FORMULA
from digest.papers.store import paper as stored_paper
from digest.subscribers.preferences import DEFAULTS
from digest.text import one_line
from digest.web.cards import UNTITLED
from digest.web.public.issue_chart import IssueChart, chance_of, count_best, issue_chart
from digest.web.public.votes_chart import VotesChart, votes_chart

_PAPERS = 10


@dataclass(frozen=True, slots=True)
class PaperVotes:
    """One of the best papers. The score became a rank; the chance is that of the score."""

    rank: int
    path: str
    title: str
    score: float
    chance: float  # 0 to 1
    at_cut: int
    now: int
    chart: VotesChart | None


@dataclass(frozen=True, slots=True)
class VotesBehind:
    chart: IssueChart | None  # None if nobody can vote on any of its papers
    papers: tuple[PaperVotes, ...]


def votes_behind(connection: Connection, issue: Issue) -> VotesBehind:
    """Read the votes of an issue's papers, at its cut and since."""
    whole = issue_on(connection, issue.kind, issue.date)
    best = whole.papers[:_PAPERS] if whole else ()
    dots = votes_and_scores(connection, issue.id) if issue.formula == FORMULA else ()
    floor = issue.settings.floor
    chart = issue_chart(dots, count_best(dots, DEFAULTS.papers, floor), floor) if dots else None
    return VotesBehind(chart, tuple(_votes_of(connection, ranked) for ranked in best))


def _votes_of(connection: Connection, ranked: RankedPaper) -> PaperVotes:
    details = stored_paper(connection, ranked.paper.id)
    observed = details.votes if details else ()
    latest = {seen.source: seen.upvotes for seen in observed}  # the newest is the last
    return PaperVotes(
        ranked.rank,
        ranked.paper.path,
        one_line(ranked.paper.title) or str(UNTITLED),
        ranked.score,
        chance_of(ranked.score),
        int(ranked.terms.upvotes + ranked.terms.hackernews),
        sum(latest.values()),
        votes_chart(observed),
    )

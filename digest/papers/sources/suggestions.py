"""What readers suggest: papers looked up at arXiv once, listed from when they were suggested; and readers' votes.

With DIGEST_SOURCES=arxiv,readers a lab that nobody else votes for has a trending list of its own.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import NamedTuple, Protocol
from urllib.parse import urlencode

from digest.papers.paper import Paper, Votes
from digest.papers.sources.arxiv_xml import ArxivDocument, document
from digest.papers.sources.fetch import Fetcher, Refused
from digest.papers.sources.source import SourceResult, SourceUnavailable
from digest.papers.suggestion import ARXIV_SAYS, UNKNOWN

NAME = "readers"
_AT_ONCE = 50  # ids in one question to the API


class Suggested(NamedTuple):
    """A paper that a reader suggested, and when."""

    paper_id: str
    at: datetime


class Ballot(Protocol):
    """What readers said, as the database has it (papers/subscriber_votes.py)."""

    def waiting(self, now: datetime) -> Sequence[Suggested]:
        """Suggestions that were not looked up yet."""
        ...

    def listed(self, day: date, now: datetime) -> Sequence[Paper]:
        """The papers that were suggested on `day` and accepted, with `listed_at` the instant of it."""
        ...

    def votes(self, now: datetime, also: Sequence[str]) -> Sequence[Votes]:
        """Readers' votes as of `now`, for papers of the archive and for those of `also`."""
        ...


class Readers:
    """The source "readers"."""

    name = NAME

    def __init__(self, arxiv_url: str, fetcher: Fetcher, ballot: Ballot) -> None:
        self._api = arxiv_url
        self._fetcher = fetcher
        self._ballot = ballot

    def fetch(self, day: date, now: datetime) -> SourceResult:
        """The papers that were suggested on `day`; today also all that wait, and the votes.

        Where arXiv does not answer, what waits goes on waiting, and the findings say so.
        """
        findings = SourceResult(papers=list(self._ballot.listed(day, now)))
        if day == now.date():
            self._look_up(list(self._ballot.waiting(now)), findings)
            findings.votes = list(self._ballot.votes(now, [paper.id for paper in findings.papers]))
        return findings

    def _look_up(self, waiting: list[Suggested], findings: SourceResult) -> None:
        try:
            for start in range(0, len(waiting), _AT_ONCE):
                self._ask(waiting[start : start + _AT_ONCE], findings)
        except SourceUnavailable as problem:
            findings.incomplete = f"suggestions wait for arXiv: {problem}"

    def _ask(self, some: list[Suggested], findings: SourceResult) -> None:
        try:
            found = self._answer(some)
        except Refused as refused:
            said = document(refused.body).problem
            if not said:
                raise
            if len(some) == 1:
                findings.refused[some[0].paper_id] = f"{ARXIV_SAYS}{said}"[:300]
                return
            for one in some:  # one that arXiv cannot read spoils the answer for all
                self._ask([one], findings)
            return
        papers = {entry.paper.id: entry.paper for entry in found.entries if entry.paper}
        for one in some:
            if one.paper_id in papers:
                findings.papers.append(replace(papers[one.paper_id], listed_at=one.at))
            elif not found.cut:
                findings.refused[one.paper_id] = str(UNKNOWN)

    def _answer(self, some: list[Suggested]) -> ArxivDocument:
        query = {"id_list": ",".join(one.paper_id for one in some), "max_results": len(some)}
        answer = self._fetcher.get(f"{self._api}/api/query?{urlencode(query)}")
        found = document(answer.body)
        found.cut = answer.cut or found.cut
        if found.problem:
            raise Refused(f"{ARXIV_SAYS}{found.problem}", answer.body)
        if not found.is_feed:
            raise SourceUnavailable(found.cut or "the answer is not a list of papers")
        return found

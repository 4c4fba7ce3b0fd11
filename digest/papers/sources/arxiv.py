"""arXiv: today's announcements from its feed, the papers of another day from its export API. No votes.

The feed of a day holds what was announced that day (none on Saturday, Sunday and after holidays) and says so by its
own date; when it is for another day or empty without reason, the papers submitted on the day are asked of the API.
"""

from collections.abc import Sequence
from datetime import date, datetime
from urllib.parse import urlencode

from digest.papers.collecting.announcement_calendar import expected
from digest.papers.sources.arxiv_xml import ArxivDocument, ArxivEntry, document
from digest.papers.sources.fetch import Fetcher, FetchResponse, Refused, RequestPolicy
from digest.papers.sources.source import Remembered, SourceResult, SourceUnavailable, Unreadable

PAGE = 500  # the API allows 2,000; a smaller answer stays well inside the time limit
SPACING_SECONDS = 3.0  # "no more than one request every three seconds", arXiv API terms of use
_MOST_PAGES = 20
_NEW = frozenset({"", "new", "cross"})  # a replacement is no new paper


class Arxiv:
    """The source "arxiv"."""

    name = "arxiv"
    shows_votes = False

    def __init__(
        self,
        addresses: tuple[str, str],
        categories: Sequence[str],
        fetchers: tuple[Fetcher, Fetcher],
        remembered: Remembered = lambda _url: None,
    ) -> None:
        """`addresses` and `fetchers`: of the export API, and of the announcement feeds."""
        self._api, self._feed = addresses
        self._categories = tuple(categories)
        self._api_fetcher, self._feed_fetcher = fetchers
        self._remembered = remembered

    def fetch(self, day: date, now: datetime) -> SourceResult:
        """What was announced on `day` (today) or submitted on it. Raises SourceUnavailable."""
        if not self._categories:
            return SourceResult()
        if day != now.date():
            return self._submitted(day)
        announced, is_answer = self._announced(day)
        if is_answer:
            return announced
        findings = self._submitted(day)
        findings.dated = announced.dated
        findings.withdrawn += announced.withdrawn
        return findings

    def _announced(self, day: date) -> tuple[SourceResult, bool]:
        """The feed's papers, and whether they are an answer for `day`."""
        url = f"{self._feed}/rss/{'+'.join(self._categories)}"
        try:
            answer = self._feed_fetcher.get(url, self._remembered(url))
        except SourceUnavailable:
            return SourceResult(), False  # the API is the other way to the same papers
        if answer.unchanged:
            return SourceResult(unchanged=True), True
        feed = document(answer.body)
        findings = _findings(feed, answer, [entry for entry in feed.entries if entry.announced in _NEW])
        # A replacement is no new paper, but may be the one that takes a paper back.
        findings.withdrawn = _withdrawn(feed, feed.entries)
        findings.dated = feed.dated
        if not feed.is_feed or feed.dated not in (day, None) or _empty_without_reason(findings, day):
            return findings, False
        if not findings.incomplete and not findings.unreadable and findings.papers:
            findings.validators = {url: answer.validator}
        return findings, True

    def _submitted(self, day: date) -> SourceResult:
        findings, came, total = SourceResult(), 0, 0
        for _ in range(_MOST_PAGES):
            try:
                answer = self._ask(day, came)
                found = _list_of(answer)
            except SourceUnavailable as problem:
                if came == 0:
                    raise
                findings.incomplete = f"from paper {came + 1} on: {problem}"
                return findings
            came, total = came + len(found.entries), found.total or 0
            fresh = _add(findings, _findings(found, answer, found.entries))
            if findings.incomplete or came >= total:
                return findings
            if not fresh:
                break
        findings.incomplete = f"arXiv gave {len(findings.papers)} of {total} papers"
        return findings

    def _ask(self, day: date, start: int) -> FetchResponse:
        categories = " OR ".join(f"cat:{category}" for category in self._categories)
        query = {
            "search_query": f"({categories}) AND submittedDate:[{day:%Y%m%d}0000 TO {day:%Y%m%d}2359]",
            "sortBy": "submittedDate",
            "sortOrder": "descending",
            "start": start,
            "max_results": PAGE,
        }
        try:
            return self._api_fetcher.get(f"{self._api}/api/query?{urlencode(query)}")
        except Refused as refused:
            problem = document(refused.body).problem
            raise SourceUnavailable(f"{refused}: {problem}" if problem else str(refused)) from None


def manners(contact: str, timeout_seconds: float) -> RequestPolicy:
    """How arXiv wants to be asked."""
    return RequestPolicy(contact, timeout_seconds, SPACING_SECONDS, accept="application/atom+xml, application/rss+xml")


def _list_of(answer: FetchResponse) -> ArxivDocument:
    found = document(answer.body)
    if found.problem:
        raise SourceUnavailable(f"arXiv says: {found.problem}")
    if not found.is_feed:
        raise SourceUnavailable(answer.cut or "the answer is not a list of papers")
    return found


def _findings(found: ArxivDocument, answer: FetchResponse, entries: Sequence[ArxivEntry]) -> SourceResult:
    return SourceResult(
        papers=[entry.paper for entry in _first_of_each(entries) if entry.paper and not entry.withdrawn],
        unreadable=[Unreadable(entry.place, entry.reason) for entry in entries if entry.paper is None],
        incomplete=answer.cut or found.cut,
        withdrawn=_withdrawn(found, entries),
    )


def _withdrawn(found: ArxivDocument, entries: Sequence[ArxivEntry]) -> list[str]:
    return [*found.deleted, *(entry.paper.id for entry in entries if entry.paper and entry.withdrawn)]


def _first_of_each(entries: Sequence[ArxivEntry]) -> list[ArxivEntry]:
    return list({entry.paper.id: entry for entry in reversed(entries) if entry.paper}.values())[::-1]


def _empty_without_reason(findings: SourceResult, day: date) -> bool:
    return not findings.papers and not findings.unreadable and not expected("arxiv", day).why_none


def _add(findings: SourceResult, page: SourceResult) -> bool:
    """Whether the page brought a paper that was not there."""
    known = {paper.id for paper in findings.papers}
    fresh = [paper for paper in page.papers if paper.id not in known]
    findings.papers += fresh
    findings.unreadable += page.unreadable
    findings.withdrawn += page.withdrawn
    findings.incomplete = page.incomplete
    return bool(fresh)

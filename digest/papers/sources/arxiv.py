"""arXiv: today's announcements from its feed, the papers of another day from its export API. No votes.

A feed holds the papers announced on its date (none on Saturdays, Sundays and after holidays). When it is for another
day, or empty without reason, the papers submitted on the day are requested from the API.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from urllib.parse import urlencode

from digest.papers.sources.announcement_calendar import expected
from digest.papers.sources.arxiv_xml import ArxivDocument, ArxivEntry, document
from digest.papers.sources.fetch import Fetcher, Refused
from digest.papers.sources.source import Remembered, SourceResult, SourceUnavailable, Unreadable

PAGE_SIZE = 500  # the API allows 2,000; a smaller page arrives well within the time limit
SPACING_SECONDS = 3.0  # "no more than one request every three seconds", arXiv API terms of use
ACCEPT = "application/atom+xml, application/rss+xml"
_MAX_PAGES = 20
_READINGS = 3  # of a list whose pages shift
_NEW = frozenset({"", "new", "cross"})  # a replacement is not a new paper


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
        """`addresses` and `fetchers` are those of the export API and of the announcement feeds."""
        self._api, self._feed = addresses
        self._categories = tuple(categories)
        self._api_fetcher, self._feed_fetcher = fetchers
        self._remembered = remembered

    def fetch(self, day: date, now: datetime) -> SourceResult:
        """The papers announced (today) or submitted (earlier) on `day`. Raises SourceUnavailable."""
        if not self._categories:
            return SourceResult()
        if day != now.date():
            return self._submitted(day)
        announced, is_answer = self._announced(day)
        if is_answer:
            return announced
        result = self._submitted(day)
        result.dated = announced.dated
        result.withdrawn += announced.withdrawn
        return result

    def _announced(self, day: date) -> tuple[SourceResult, bool]:
        """The feed's papers, and whether the feed is for `day`."""
        url = f"{self._feed}/rss/{'+'.join(self._categories)}"
        try:
            answer = self._feed_fetcher.get(url, self._remembered(url))
        except SourceUnavailable:
            return SourceResult(), False  # the API has the same papers
        if answer.unchanged:
            return SourceResult(unchanged=True), True
        feed = document(answer.body)
        feed.cut = answer.cut or feed.cut
        result = _result(feed, [entry for entry in feed.entries if entry.announced in _NEW])
        # A replacement is not a new paper, but it may be the one that withdraws a paper.
        result.withdrawn = _withdrawn(feed, feed.entries)
        result.dated = feed.dated
        if not feed.is_feed or feed.dated not in (day, None) or _empty_without_reason(result, day):
            return result, False
        if not result.incomplete and not result.unreadable and result.papers:
            result.validators = {url: answer.validator}
        return result, True

    def _submitted(self, day: date) -> SourceResult:
        """The pages of the list; again from its start when papers moved between pages while it was read."""
        result, seen = SourceResult(), set[str]()
        for _ in range(_READINGS):
            before = len(seen)
            total = self._read_pages(day, result, seen)
            if result.incomplete or len(seen) >= total or len(seen) == before:
                break
        if not result.incomplete and len(seen) < total:
            result.incomplete = f"arXiv gave {len(seen)} of {total} papers"
        return result

    def _read_pages(self, day: date, result: SourceResult, seen: set[str]) -> int:
        """Add each page to the result and what it listed to `seen`. Returns how many papers arXiv says there are."""
        start, total, listed = 0, 0, set[str]()
        for _ in range(_MAX_PAGES):
            try:
                page = self._page(day, start)
            except SourceUnavailable as problem:
                if not seen:
                    raise
                result.incomplete = f"from paper {start + 1} on: {problem}"
                break
            _add(result, _result(page, [entry for entry in page.entries if entry.name not in seen]))
            names = {entry.name for entry in page.entries}
            start, total = start + len(page.entries), page.total or total
            seen |= names
            if names and names <= listed and start < total and not result.incomplete:
                result.incomplete = f"arXiv gave {len(seen)} of {total} papers"
            if result.incomplete or start >= total or not names:
                break
            listed |= names
        return total

    def _page(self, day: date, start: int) -> ArxivDocument:
        categories = " OR ".join(f"cat:{category}" for category in self._categories)
        query = {
            "search_query": f"({categories}) AND submittedDate:[{day:%Y%m%d}0000 TO {day:%Y%m%d}2359]",
            "sortBy": "submittedDate",
            "sortOrder": "descending",
            "start": start,
            "max_results": PAGE_SIZE,
        }
        return ask_api(self._api_fetcher, self._api, query)


class ApiError(SourceUnavailable):
    """The API rejected a query for `reason`, in arXiv's words."""

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def ask_api(fetcher: Fetcher, base: str, query: Mapping[str, object]) -> ArxivDocument:
    """The API's answer to a query. Raises ApiError, or another SourceUnavailable."""
    try:
        answer = fetcher.get(f"{base}/api/query?{urlencode(query)}")
    except Refused as refused:
        reason = document(refused.body).problem
        raise (ApiError(f"{refused}: {reason}", reason) if reason else refused) from None
    page = document(answer.body)
    if page.problem:
        raise ApiError(f"arXiv says: {page.problem}", page.problem)
    if not page.is_feed:
        raise SourceUnavailable(answer.cut or "the answer is not a list of papers")
    page.cut = answer.cut or page.cut
    return page


def _result(page: ArxivDocument, entries: Sequence[ArxivEntry]) -> SourceResult:
    papers = {entry.paper.id: entry for entry in reversed(entries) if entry.paper}
    return SourceResult(
        papers=[entry.paper for entry in reversed(papers.values()) if entry.paper and not entry.withdrawn],
        unreadable=[Unreadable(entry.place, entry.reason) for entry in entries if entry.paper is None],
        incomplete=page.cut,
        withdrawn=_withdrawn(page, entries),
    )


def _withdrawn(page: ArxivDocument, entries: Sequence[ArxivEntry]) -> list[str]:
    return [*page.deleted, *(entry.paper.id for entry in entries if entry.paper and entry.withdrawn)]


def _empty_without_reason(result: SourceResult, day: date) -> bool:
    return not result.papers and not result.unreadable and not expected("arxiv", day).why_none


def _add(result: SourceResult, page: SourceResult) -> None:
    result.papers += page.papers
    result.unreadable += page.unreadable
    result.withdrawn += page.withdrawn
    result.incomplete = page.incomplete

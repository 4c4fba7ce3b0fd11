"""Hugging Face Daily Papers: GET {base}/api/daily_papers?date=… lists the papers of a day with their votes.

The list is sorted by votes. The outer `publishedAt` is arXiv's instant shifted by the US Eastern
offset, so neither it nor the position is read; ages count from `paper.submittedOnDailyAt`, and where that is only a
date, from the time at which the paper's discussion was opened.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import quote

from digest.papers.paper import Paper, Votes, arxiv_id
from digest.papers.sources.fetch import Fetcher, FetchResponse
from digest.papers.sources.reading import count_of, in_time, instant_of, per_record, text_of, web_address_of
from digest.papers.sources.records import as_object, records
from digest.papers.sources.source import Remembered, SourceResult, SourceUnavailable, Unreadable, Validator

PAGE_SIZE = 50  # the server's own limit, whatever limit is requested
SPACING_SECONDS = 0.2  # 500 requests in five minutes are allowed without an account
_MAX_PAGES = 20
_READINGS = 3  # of a list whose pages shift
_DISCUSSION_DELAY = timedelta(hours=2)  # discussions are opened 1.4 to 2.5 hours after the listing
_DISCUSSION_ID = re.compile(r"[0-9a-f]{24}")  # an ObjectId: its first 8 digits are a Unix time
_FOREIGN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")


class HuggingFace:
    """The source "huggingface"."""

    name = "huggingface"

    def __init__(self, base: str, fetcher: Fetcher, remembered: Remembered = lambda _url: None) -> None:
        self._base = base
        self._fetcher = fetcher
        self._remembered = remembered

    def fetch(self, day: date, now: datetime) -> SourceResult:
        """The list of `day`. Raises SourceUnavailable when not even its first page can be read."""
        result = SourceResult()
        for reading in range(_READINGS):
            before = len(result.papers)
            has_shifted = self._read_pages(day, now, result)
            if not has_shifted or result.incomplete or (reading and len(result.papers) == before):
                return result
        result.incomplete = "papers moved between the pages of the list while it was read"
        return result

    def _read_pages(self, day: date, now: datetime, result: SourceResult) -> bool:
        """Add each page to the result. Returns whether papers moved between pages, so that some may be missing."""
        has_shifted, listed, is_again = False, set[str](), bool(result.papers)
        for page in range(_MAX_PAGES):
            url = self._address(day, page)
            try:
                answer = self._fetcher.get(url, None if page or is_again else self._remembered(url))
                if answer.unchanged:
                    result.unchanged = True
                    return False
                page_records, missing = _page(answer)
                ids = _add_page(result, page_records, day, now)
            except SourceUnavailable as problem:
                if not result.papers:
                    raise
                result.incomplete = f"page {page + 1} of the list: {problem}"
                return False
            result.incomplete, is_last = missing, len(page_records) < PAGE_SIZE
            # A server that knows no pages repeats a full page.
            has_shifted |= bool(ids & listed) and (is_last or not ids <= listed)
            if missing or is_last or ids <= listed:
                break
            listed |= ids
        if page == 0 and not result.incomplete and not result.unreadable:
            # The pages of a longer list can change separately, so only a single page is requested conditionally.
            result.validators = {url: answer.validator} if answer.validator != Validator() else {}
        return has_shifted

    def _address(self, day: date, page: int) -> str:
        return f"{self._base}/api/daily_papers?date={day.isoformat()}&limit={PAGE_SIZE}&p={page}"


def _page(answer: FetchResponse) -> tuple[list[Any], str]:
    page = records(answer.body)
    if page is None:
        raise SourceUnavailable(answer.cut or "the answer is not a list of papers")
    return page[0], answer.cut or page[1]


def _add_page(result: SourceResult, page: list[Any], day: date, now: datetime) -> set[str]:
    """Add the records of a page that are new. Returns the ids on the page."""
    earlier = {paper.id for paper in result.papers} | set(result.withdrawn)
    ids: set[str] = set()
    for number, record in enumerate(in_time(page), start=1):
        item = as_object(record) or {}
        paper = per_record(lambda item: _paper(item, day), item) if item else "it is not an object"
        if isinstance(paper, str):
            skipped = Unreadable(_position(item, day, number), paper)
            result.unreadable += [] if skipped in result.unreadable else [skipped]
            continue
        is_new = paper.id not in earlier | ids
        ids.add(paper.id)
        if is_new and (_inner(item).get("withdrawnAt") or item.get("withdrawnAt")):
            result.withdrawn.append(paper.id)
        elif is_new:
            result.papers.append(paper)
            result.votes.extend(_votes(item, paper.id, now))
    return ids


def _paper(item: dict[str, Any], day: date) -> Paper | str:
    """The paper, or why it cannot be read."""
    inner = _inner(item)
    own_id = inner.get("id")
    if not isinstance(own_id, str):
        return "it has no id"
    on_arxiv = arxiv_id(own_id)
    if on_arxiv is None and not _FOREIGN_ID.fullmatch(own_id):
        return f"{own_id[:60]!r} is not an id"
    title = text_of(inner.get("title")) or text_of(item.get("title"))
    if not title:
        return "it has no title"
    return Paper(
        id=on_arxiv or f"huggingface:{own_id}",
        title=title,
        abstract=text_of(inner.get("summary")) or text_of(item.get("summary")),
        summary=text_of(inner.get("ai_summary")) or text_of(item.get("ai_summary")),
        authors=tuple(_authors(inner.get("authors"))),
        organization=_organization(inner.get("organization")) or _organization(item.get("organization")),
        submitter=_submitter(item.get("submittedBy")) or _submitter(inner.get("submittedOnDailyBy")),
        keywords=tuple(_texts(inner.get("ai_keywords") or item.get("ai_keywords"))),
        published_at=instant_of(inner.get("publishedAt")),
        listed_at=listing_time(inner.get("submittedOnDailyAt"), inner.get("discussionId"), day),
        url=f"https://arxiv.org/abs/{on_arxiv}" if on_arxiv else f"https://huggingface.co/papers/{quote(own_id)}",
        code_url=web_address_of(inner.get("githubRepo") or item.get("githubRepo")),
        project_url=web_address_of(inner.get("projectPage") or item.get("projectPage")),
    )


def listing_time(listed: Any, discussion_id: Any, day: date) -> datetime:
    """When a paper was put on the list of `day`; midnight where only the date can be known."""
    at = instant_of(listed) or datetime.combine(day, time(), UTC)
    if at.time() != time() or not isinstance(discussion_id, str) or not _DISCUSSION_ID.fullmatch(discussion_id):
        return at
    opened = datetime.fromtimestamp(int(discussion_id[:8], 16), UTC)
    if not at <= opened < at + timedelta(days=1):
        return at  # some discussions were opened days before
    return max(at + timedelta(minutes=1), opened - _DISCUSSION_DELAY)


def _votes(item: dict[str, Any], paper_id: str, now: datetime) -> Iterator[Votes]:
    inner = _inner(item)
    upvotes = count_of(inner.get("upvotes", item.get("upvotes")))
    if upvotes is not None:
        comments = count_of(item.get("numComments", inner.get("numComments"))) or 0
        stars = count_of(inner.get("githubStars", item.get("githubStars")))
        yield Votes(paper_id, HuggingFace.name, now, upvotes, comments, stars)


def _inner(item: dict[str, Any]) -> dict[str, Any]:
    inner = item.get("paper")
    return inner if isinstance(inner, dict) else item


def _authors(value: Any) -> Iterator[str]:
    for author in value if isinstance(value, list) else ():
        name = text_of(author.get("name") if isinstance(author, dict) and author.get("hidden") is not True else author)
        if name:
            yield name


def _organization(value: Any) -> str:
    if isinstance(value, dict):
        return text_of(value.get("fullname")) or text_of(value.get("name"))
    return text_of(value)


def _submitter(value: Any) -> str:
    """The account's name, which stays the same when its owner changes the displayed name."""
    return text_of(value.get("name") or value.get("user")) if isinstance(value, dict) else text_of(value)


def _texts(value: Any) -> Iterator[str]:
    yield from filter(None, map(text_of, value if isinstance(value, list) else ()))


def _position(item: dict[str, Any], day: date, number: int) -> str:
    own_id = _inner(item).get("id")
    return f"{day}, record {number}" + (f" ({text_of(own_id)[:60]})" if isinstance(own_id, str) else "")

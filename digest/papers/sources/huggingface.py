"""Hugging Face Daily Papers: GET {base}/api/daily_papers?date=… → papers of that list day with their votes.

The answer for a date comes sorted by votes. The outer `publishedAt` is arXiv's instant shifted by the US Eastern
offset, so neither it nor the position is read; ages count from `paper.submittedOnDailyAt`.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from typing import Any
from urllib.parse import quote

from digest.papers.paper import Paper, Votes, arxiv_id
from digest.papers.sources.fetch import Fetcher, FetchResponse, RequestPolicy
from digest.papers.sources.reading import count_of, instant_of, text_of, web_address_of
from digest.papers.sources.records import as_object, records
from digest.papers.sources.source import Remembered, SourceResult, SourceUnavailable, Unreadable, Validator

PAGE = 50  # the server's own page; it gives no more at once, whatever limit is asked for
_MOST_PAGES = 20
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
        findings, seen = SourceResult(), set[str]()
        for page in range(_MOST_PAGES):
            url = self._address(day, page)
            try:
                answer = self._fetcher.get(url, None if page else self._remembered(url))
                if answer.unchanged:
                    return SourceResult(unchanged=True)
                found, missing = _listed(answer)
            except SourceUnavailable as problem:
                if page == 0:
                    raise
                findings.incomplete = f"page {page + 1} of the list: {problem}"
                return findings
            findings.incomplete = missing
            added = _read_page(found, day, now, findings, seen)
            if missing or len(found) < PAGE or not added:
                break
        if page == 0 and not findings.incomplete and not findings.unreadable:
            # Of a list of several pages each can change by itself, so only a single one is asked for conditionally.
            findings.validators = _worth_keeping(url, answer.validator)
        return findings

    def _address(self, day: date, page: int) -> str:
        return f"{self._base}/api/daily_papers?date={day.isoformat()}&limit={PAGE}&p={page}"


def manners(contact: str, timeout_seconds: float) -> RequestPolicy:
    """How the API wants to be asked: anonymous callers have 500 requests in five minutes."""
    return RequestPolicy(contact, timeout_seconds, spacing_seconds=0.2, accept="application/json")


def _listed(answer: FetchResponse) -> tuple[list[Any], str]:
    found = records(answer.body)
    if found is None:
        raise SourceUnavailable(answer.cut or "the answer is not a list of papers")
    return found[0], answer.cut or found[1]


def _worth_keeping(url: str, validator: Validator) -> dict[str, Validator]:
    return {url: validator} if validator.etag or validator.last_modified else {}


def _read_page(found: list[Any], day: date, now: datetime, findings: SourceResult, seen: set[str]) -> bool:
    """Add what the records say to `findings`; whether any was not `seen` before."""
    added = False
    for number, record in enumerate(found, start=1):
        item = as_object(record)
        read = _paper(item, day) if item else "it is not an object"
        if isinstance(read, str):
            findings.unreadable.append(Unreadable(_place(item, day, number), read))
        elif read.id not in seen:
            added = True
            seen.add(read.id)
            if _is_withdrawn(item or {}):
                findings.withdrawn.append(read.id)
                continue
            findings.papers.append(read)
            findings.votes.extend(_votes(item or {}, read.id, now))
    return added


def _paper(item: dict[str, Any], day: date) -> Paper | str:
    """The paper, or in words why it cannot be read."""
    inner = _inner(item)
    own_id = inner.get("id")
    if not isinstance(own_id, str):
        return "it has no id"
    known = arxiv_id(own_id)
    if known is None and not _FOREIGN_ID.fullmatch(own_id):
        return f"{own_id[:60]!r} is not an id"
    title = text_of(inner.get("title")) or text_of(item.get("title"))
    if not title:
        return "it has no title"
    return Paper(
        id=known or f"huggingface:{own_id}",
        title=title,
        abstract=text_of(inner.get("summary")) or text_of(item.get("summary")),
        summary=text_of(inner.get("ai_summary")) or text_of(item.get("ai_summary")),
        authors=tuple(_authors(inner.get("authors"))),
        organization=_organization(inner.get("organization")) or _organization(item.get("organization")),
        submitter=_submitter(item.get("submittedBy")) or _submitter(inner.get("submittedOnDailyBy")),
        keywords=tuple(_texts(inner.get("ai_keywords") or item.get("ai_keywords"))),
        published_at=instant_of(inner.get("publishedAt")),
        listed_at=instant_of(inner.get("submittedOnDailyAt")) or datetime.combine(day, time(), UTC),
        url=f"https://arxiv.org/abs/{known}" if known else f"https://huggingface.co/papers/{quote(own_id)}",
        code_url=web_address_of(inner.get("githubRepo") or item.get("githubRepo")),
        project_url=web_address_of(inner.get("projectPage") or item.get("projectPage")),
    )


def _is_withdrawn(item: dict[str, Any]) -> bool:
    return bool(_inner(item).get("withdrawnAt") or item.get("withdrawnAt"))


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
        shown = author.get("name") if isinstance(author, dict) and author.get("hidden") is not True else author
        name = text_of(shown)
        if name:
            yield name


def _organization(value: Any) -> str:
    if isinstance(value, dict):
        return text_of(value.get("fullname")) or text_of(value.get("name"))
    return text_of(value)


def _submitter(value: Any) -> str:
    """The account's name, which stays when its owner changes how they are called."""
    return text_of(value.get("name") or value.get("user")) if isinstance(value, dict) else text_of(value)


def _texts(value: Any) -> Iterator[str]:
    yield from filter(None, map(text_of, value if isinstance(value, list) else ()))


def _place(item: dict[str, Any] | None, day: date, number: int) -> str:
    own_id = _inner(item).get("id") if item else None
    return f"{day}, record {number}" + (f" ({text_of(own_id)[:60]})" if isinstance(own_id, str) else "")

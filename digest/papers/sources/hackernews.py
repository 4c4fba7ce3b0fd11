"""Hacker News, a signal: how the stories that link to arXiv stand there now. It lists no papers of its own.

Search over stories by date, https://hn.algolia.com/api (10,000 requests an hour for each address, no key). A title
there is the submitter's, and no abstract comes with it, so that a paper which no other source listed is not made up
from a story: its points are dropped until it is known.
"""

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from digest.papers.paper import Votes, arxiv_id
from digest.papers.sources.fetch import Fetcher, RequestPolicy
from digest.papers.sources.reading import count_of
from digest.papers.sources.source import SourceResult, SourceUnavailable, Unreadable

LOOK_BACK = timedelta(days=14)  # stories older than that gain hardly a point
PAGE = 1000  # the most that the server gives; two weeks have a few hundred


class HackerNews:
    """The source "hackernews"."""

    name = "hackernews"
    past_days = False

    def __init__(self, base: str, fetcher: Fetcher) -> None:
        self._base = base
        self._fetcher = fetcher

    def fetch(self, day: date, now: datetime) -> SourceResult:  # noqa: ARG002 - points are as they are now
        """Points and comments of the papers linked in the last two weeks. Raises SourceUnavailable."""
        answer = self._fetcher.get(self._address(now))
        found = _document(answer.body, answer.cut)
        findings = SourceResult()
        votes: dict[str, Votes] = {}
        for number, story in enumerate(found["hits"], start=1):
            read = _votes(story, now)
            if isinstance(read, str):
                findings.unreadable.append(Unreadable(f"story {number}", read))
            elif read:
                votes[read.paper_id] = _better([read, *filter(None, [votes.get(read.paper_id)])])
        findings.votes = list(votes.values())
        there = count_of(found.get("nbHits")) or 0
        if there > len(found["hits"]):
            findings.incomplete = f"Hacker News gave {len(found['hits'])} of {there} stories"
        return findings

    def _address(self, now: datetime) -> str:
        query = {
            "query": "arxiv.org",
            "restrictSearchableAttributes": "url",
            "tags": "story",
            "numericFilters": f"created_at_i>{int((now - LOOK_BACK).timestamp())}",
            "hitsPerPage": PAGE,
        }
        return f"{self._base}/api/v1/search_by_date?{urlencode(query)}"


def manners(contact: str, timeout_seconds: float) -> RequestPolicy:
    """How the search wants to be asked."""
    return RequestPolicy(contact, timeout_seconds, spacing_seconds=1.0, accept="application/json")


def _document(body: bytes, cut: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise SourceUnavailable(cut or "the answer is not JSON to its end") from None
    if not isinstance(found, dict) or not isinstance(found.get("hits"), list):
        raise SourceUnavailable("the answer is not a list of stories")
    return found


def _votes(story: Any, now: datetime) -> Votes | str | None:
    """What a story says of a paper, None when it links to none, or in words why it cannot be read."""
    if not isinstance(story, dict):
        return "it is not an object"
    paper_id = _linked(story.get("url"))
    if paper_id is None:
        return None
    points = count_of(story.get("points"))
    if points is None:
        return f"it has no points ({paper_id})"
    return Votes(paper_id, HackerNews.name, now, points, count_of(story.get("num_comments")) or 0)


def _linked(url: Any) -> str | None:
    if not isinstance(url, str) or len(url) > 500:
        return None
    return arxiv_id(url.partition("?")[0].partition("#")[0].strip().rstrip("/"))


def _better(several: Iterable[Votes]) -> Votes:
    """A paper linked several times is one: the story with the most points counts, not the sum, which repeats voters."""
    return max(several, key=lambda votes: (votes.upvotes, votes.comments))

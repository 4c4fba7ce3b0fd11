"""Hacker News: the current points of stories that link to arXiv. A signal only; it lists no papers.

Search over stories by date, https://hn.algolia.com/api (10,000 requests an hour per address, no key). A story's
title is its submitter's, and there is no abstract, so no paper is made from a story: its points are dropped until
another source lists the paper.
"""

from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from digest.papers.paper import Votes, arxiv_id
from digest.papers.sources.fetch import Fetcher
from digest.papers.sources.reading import JSON, count_of, decoded, in_time, per_record
from digest.papers.sources.source import SourceResult, SourceUnavailable, Unreadable

MAX_AGE = timedelta(days=14)  # older stories hardly gain points
PAGE_SIZE = 1000  # the server's limit; two weeks have a few hundred


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
        document = _document(answer.body, answer.cut)
        result = SourceResult()
        votes: dict[str, Votes] = {}
        for number, story in enumerate(in_time(document["hits"]), start=1):
            story_votes = per_record(lambda story: _votes(story, now), story)
            if isinstance(story_votes, str):
                result.unreadable.append(Unreadable(f"story {number}", story_votes))
            elif story_votes:
                # Only the best of several stories about a paper counts, because a sum would count voters twice.
                earlier = votes.get(story_votes.paper_id, story_votes)
                votes[story_votes.paper_id] = max(story_votes, earlier, key=_by_points)
        result.votes = list(votes.values())
        total = count_of(document.get("nbHits")) or 0
        if total > len(document["hits"]):
            result.incomplete = f"Hacker News gave {len(document['hits'])} of {total} stories"
        return result

    def _address(self, now: datetime) -> str:
        query = {
            "query": "arxiv.org",
            "restrictSearchableAttributes": "url",
            "tags": "story",
            "numericFilters": f"created_at_i>{int((now - MAX_AGE).timestamp())}",
            "hitsPerPage": PAGE_SIZE,
        }
        return f"{self._base}/api/v1/search_by_date?{urlencode(query)}"


def _document(body: bytes, cut: str) -> dict[str, Any]:
    try:
        document = JSON.decode(decoded(body))
    except (ValueError, RecursionError):
        raise SourceUnavailable(cut or "the answer is not JSON to its end") from None
    if not isinstance(document, dict) or not isinstance(document.get("hits"), list):
        raise SourceUnavailable("the answer is not a list of stories")
    return document


def _votes(story: Any, now: datetime) -> Votes | str | None:
    """The votes of a story, None if it links to no paper, or why it cannot be read."""
    if not isinstance(story, dict):
        return "it is not an object"
    url = story.get("url")
    paper_id = arxiv_id(url) if isinstance(url, str) else None
    if paper_id is None:
        return None
    points = count_of(story.get("points"))
    if points is None:
        return f"it has no points ({paper_id})"
    return Votes(paper_id, HackerNews.name, now, points, count_of(story.get("num_comments")) or 0)


def _by_points(votes: Votes) -> tuple[int, int]:
    return votes.upvotes, votes.comments

"""Asks Crossref for the papers behind DOIs that are not arXiv's (https://api.crossref.org, "polite pool")."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from digest.papers.sources.fetch import Fetcher
from digest.papers.sources.reading import JSON, decoded, text_of
from digest.papers.sources.source import SourceUnavailable

SPACING_SECONDS = 0.5  # it allows three lists a second
MOST = 50  # DOIs in one request
_MARKUP = re.compile(r"<((?:jats:)?title)>[^<]*</\1>|<[^<>]{1,200}>")  # of JATS; "Abstract" is such a title
_LONGEST = 10_000


@dataclass(frozen=True, slots=True)
class PublishedPaper:
    """A paper as its publisher registered it."""

    doi: str  # in lower case
    title: str
    abstract: str  # "" where the publisher keeps it back, as most do


@dataclass(frozen=True, slots=True)
class Crossref:
    """Crossref's API. `contact`: the operator's address, which lets it answer sooner."""

    url: str
    fetcher: Fetcher
    contact: str = ""

    def papers_with(self, dois: Sequence[str]) -> list[PublishedPaper]:
        """Return those of the papers that Crossref has. Raises SourceUnavailable."""
        dois = [doi for doi in dois if "," not in doi]  # which separates filters, and cannot be escaped
        if not dois:
            return []
        query = {
            "filter": ",".join(f"doi:{doi}" for doi in dois),
            "rows": len(dois),
            "select": "DOI,title,abstract",
        }
        if "@" in self.contact:
            query["mailto"] = self.contact
        wanted = {doi.lower() for doi in dois}
        answer = _items(self.fetcher.get(f"{self.url}/works?{urlencode(query)}").body)
        return [paper for paper in map(_paper, answer) if paper is not None and paper.doi in wanted]


def _items(body: bytes) -> list[Any]:
    try:
        items = JSON.decode(decoded(body))["message"]["items"]
    except (ValueError, RecursionError, LookupError, TypeError):
        items = None
    if not isinstance(items, list):
        raise SourceUnavailable("Crossref's answer is not a list of works")
    return items[:MOST]


def _paper(item: Any) -> PublishedPaper | None:
    if not isinstance(item, dict) or not isinstance(item.get("DOI"), str):
        return None
    titles = item.get("title")
    title = titles[0] if isinstance(titles, list) and titles else titles
    return PublishedPaper(item["DOI"].lower(), _text(title), _text(item.get("abstract")))


def _text(value: Any) -> str:
    return text_of(_MARKUP.sub(" ", value[:_LONGEST])) if isinstance(value, str) else ""

"""Asks arXiv for papers by number or by title, with as few requests as it allows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from digest.papers.paper import Paper
from digest.papers.sources.arxiv import ApiError, ask_api
from digest.papers.sources.arxiv_xml import ArxivDocument
from digest.papers.sources.fetch import Fetcher
from digest.papers.sources.source import SourceUnavailable

_WORDS = 12  # of a title, in a query
_RESULTS = 50  # of a query for titles


@dataclass(frozen=True, slots=True)
class ArxivPapers:
    """arXiv's API. Its methods raise SourceUnavailable."""

    url: str
    fetcher: Fetcher

    def with_numbers(self, paper_ids: Sequence[str]) -> list[Paper]:
        """Return those of the papers that arXiv has. One unreadable number makes it reject all of them."""
        most = len(paper_ids)
        page = self._page({"id_list": ",".join(paper_ids), "max_results": most}, most)
        if page is None:
            return [paper for half in _halves(paper_ids) for paper in self.with_numbers(half)]
        return [entry.paper for entry in page.entries if entry.paper and entry.paper.id in paper_ids]

    def with_titles(self, titles: Sequence[str]) -> list[Paper]:
        """Return papers whose titles hold the first words of one of these."""
        phrases = [" ".join(re.findall(r"\w+", title)[:_WORDS]) for title in titles]
        query = " OR ".join(f'ti:"{phrase}"' for phrase in phrases)
        page = self._page({"search_query": query, "max_results": _RESULTS}, _RESULTS)
        if page is None:
            return [paper for half in _halves(titles) for paper in self.with_titles(half)]
        return [entry.paper for entry in page.entries if entry.paper]

    def _page(self, query: dict[str, object], most: int) -> ArxivDocument | None:
        """Return the answer to a query, None if arXiv rejects it."""
        try:
            page = ask_api(self.fetcher, self.url, query)
        except ApiError:
            return None
        if page.cut:
            raise SourceUnavailable(page.cut)
        # Now and then an answer has fewer papers than it says, or none.
        if len(page.entries) < min(page.total or 0, most):
            raise SourceUnavailable(f"arXiv gave {len(page.entries)} of {page.total} papers")
        return page


def _halves(texts: Sequence[str]) -> list[Sequence[str]]:
    """Return both halves; nothing of a single text."""
    half = len(texts) // 2
    return [texts[:half], texts[half:]] if half else []

"""Subscribers' suggestions, looked up at arXiv once and listed on the day of the suggestion, and subscribers' votes.

With DIGEST_SOURCES=arxiv,readers a lab gets a trending list from its own subscribers' votes.
"""

from dataclasses import replace
from datetime import date, datetime

from digest.papers.community import Community, Suggestion
from digest.papers.sources import source_names
from digest.papers.sources.arxiv import ApiError, ask_api
from digest.papers.sources.fetch import Fetcher
from digest.papers.sources.source import SourceResult, SourceUnavailable
from digest.papers.suggestion import ARXIV_SAYS, UNKNOWN

NAME = source_names.SUGGESTIONS
_BATCH = 50  # ids in one query to the API


class Suggestions:
    """The source "readers"."""

    name = NAME

    def __init__(self, arxiv_url: str, fetcher: Fetcher, community: Community) -> None:
        self._api = arxiv_url
        self._fetcher = fetcher
        self._community = community

    def fetch(self, day: date, now: datetime) -> SourceResult:
        """The papers suggested on `day`; for today also all waiting suggestions, and the votes.

        While arXiv does not answer, suggestions keep waiting, and the result says so.
        """
        result = SourceResult(papers=self._community.listed(day, now))
        if day == now.date():
            self._look_up(self._community.waiting(now), result)
            result.votes = self._community.votes(now, [paper.id for paper in result.papers])
        return result

    def _look_up(self, waiting: list[Suggestion], result: SourceResult) -> None:
        try:
            for start in range(0, len(waiting), _BATCH):
                self._ask(waiting[start : start + _BATCH], result)
        except SourceUnavailable as problem:
            result.incomplete = f"suggestions wait for arXiv: {problem}"

    def _ask(self, batch: list[Suggestion], result: SourceResult) -> None:
        query = {"id_list": ",".join(suggestion.paper_id for suggestion in batch), "max_results": len(batch)}
        try:
            page = ask_api(self._fetcher, self._api, query)
        except ApiError as error:
            if len(batch) == 1:
                result.refused[batch[0].paper_id] = f"{ARXIV_SAYS}{error.reason}"[:300]
                return
            for suggestion in batch:  # a single unreadable id makes arXiv reject the whole query
                self._ask([suggestion], result)
            return
        papers = {entry.paper.id: entry.paper for entry in page.entries if entry.paper}
        for suggestion in batch:
            if suggestion.paper_id in papers:
                result.papers.append(replace(papers[suggestion.paper_id], listed_at=suggestion.at))
            elif not page.cut:
                result.refused[suggestion.paper_id] = str(UNKNOWN)

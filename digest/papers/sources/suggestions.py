"""Subscribers' suggestions, looked up at arXiv once and listed on the day of the suggestion, and subscribers' votes.

With DIGEST_SOURCES=arxiv,readers a lab gets a trending list from its own subscribers' votes.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy import Engine

from digest.database.engine import read_only
from digest.papers.community import Suggestion, SuggestionState, count_votes, listed_on, suggestions_in
from digest.papers.sources import source_names
from digest.papers.sources.arxiv import ApiError, ask_api
from digest.papers.sources.fetch import Fetcher
from digest.papers.sources.source import SourceResult, SourceUnavailable
from digest.papers.suggestion import ARXIV_SAYS, UNKNOWN

NAME = source_names.SUGGESTIONS
_BATCH = 50  # ids in one query to the API
_WAITS_FOR = timedelta(days=30)
_VOTED_WITHIN = timedelta(days=30)  # longer than any pool


class Suggestions:
    """The source "readers"."""

    name = NAME

    def __init__(self, arxiv_url: str, fetcher: Fetcher, engine: Engine) -> None:
        self._api = arxiv_url
        self._fetcher = fetcher
        self._engine = engine

    def fetch(self, day: date, now: datetime) -> SourceResult:
        """The papers suggested on `day`; for today also all waiting suggestions, and the votes.

        While arXiv does not answer, suggestions keep waiting, and the result says so.
        """
        with read_only(self._engine) as connection:
            result = SourceResult(papers=listed_on(connection, day, now))
            waiting = suggestions_in(connection, SuggestionState.WAITING, now - _WAITS_FOR, now)
        if day == now.date():
            self._look_up(waiting, result)
            with read_only(self._engine) as connection:
                result.votes = count_votes(connection, now - _VOTED_WITHIN, now, [paper.id for paper in result.papers])
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

"""Real papers that ship with the package, for a first run without the network: facts, and summaries of our own."""

import json
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from digest.papers.collecting import collect
from digest.papers.paper import Paper, Votes
from digest.papers.sources.source import SourceResult

_FILE = Path(__file__).with_name("sample_papers.json")


class Bundled:
    """The sample as a source."""

    name = "bundled"

    def fetch(self, day: date, now: datetime) -> SourceResult:  # noqa: ARG002 - the sample is the same every day
        """All of the sample."""
        return SourceResult(papers=sample_papers(), votes=sample_votes(now))


def sample_papers() -> list[Paper]:
    """The papers, in the order of their listing (May 2026)."""
    return [_paper(record) for record in _records()]


def sample_votes(observed_at: datetime) -> list[Votes]:
    """Their votes on the day of their listing, as if observed at `observed_at`."""
    return [
        Votes(
            record["id"], Bundled.name, observed_at, record["upvotes"], record.get("comments", 0), record.get("stars")
        )
        for record in _records()
    ]


def store_sample(engine: Engine, now: datetime) -> None:
    """Store the sample as if it had been collected at `now`."""
    collect(engine, [Bundled()], now.date(), now)


@cache
def _records() -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return records


def _paper(record: dict[str, Any]) -> Paper:
    return Paper(
        id=record["id"],
        title=record["title"],
        summary=record["summary"],
        authors=tuple(record["authors"]),
        organization=record.get("organization", ""),
        categories=tuple(record.get("categories", ())),
        keywords=tuple(record.get("keywords", ())),
        published_at=datetime.fromisoformat(record["published_at"]),
        listed_at=datetime.fromisoformat(record["listed_at"]),
        url=f"https://arxiv.org/abs/{record['id']}",
        code_url=record.get("code_url", ""),
        project_url=record.get("project_url", ""),
    )

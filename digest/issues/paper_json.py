"""The papers of an issue as JSON: as they were at the cut, or in an old issue only what the archive lacks."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from digest.database.tables import issue_papers
from digest.papers.paper import COLUMNS, LISTS, ModelSummary, Paper
from digest.papers.store import papers_with

_INSTANTS = ("published_at", "listed_at")  # stored as ISO 8601
_SUMMARIES = "model_summaries"
IS_WHOLE = issue_papers.c.paper["id"].as_string().is_not(None)


def paper_as_json(paper: Paper) -> dict[str, Any]:
    values = {name: getattr(paper, name) for name in COLUMNS}
    values |= {name: instant.isoformat() for name in _INSTANTS if (instant := values[name])}
    return values | ({_SUMMARIES: paper.model_summaries} if paper.model_summaries else {})


def shrunk(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return what papers_of() needs beyond the archive."""
    return {_SUMMARIES: stored[_SUMMARIES]} if _SUMMARIES in stored else {}


def papers_of(connection: Connection, stored: Mapping[str, Mapping[str, Any]]) -> dict[str, Paper]:
    """Return papers of an issue, stored by id: as they were at the cut, or if shrunk, as the archive has them now."""
    missing = [paper_id for paper_id, values in stored.items() if "id" not in values]
    archived = papers_with(connection, missing) if missing else {}
    return {
        paper_id: stored_paper(values)
        if "id" in values
        else replace(archived.get(paper_id, Paper(paper_id, paper_id)), model_summaries=_summaries(values))
        for paper_id, values in stored.items()
    }


def stored_paper(stored: Mapping[str, Any]) -> Paper:
    """Convert a paper as it was stored at the cut."""
    values = {**stored, _SUMMARIES: _summaries(stored)}
    for instant in _INSTANTS:
        values[instant] = datetime.fromisoformat(values[instant]) if values[instant] else None
    for name in LISTS:
        values[name] = tuple(values[name])
    return Paper(**values)


def _summaries(stored: Mapping[str, Any]) -> tuple[ModelSummary, ...]:
    return tuple([ModelSummary(*each) for each in stored.get(_SUMMARIES, ())])

"""Reads recorded lists and votes of Hugging Face Daily Papers from files.

A folder has `daily_papers.jsonl.gz` (the lists) and `votes.jsonl.gz` (votes at several times), and may have
`feed_only_papers.jsonl.gz` (papers added to a list after it was read); each also without `.gz`. Unreadable records are
skipped, and noted with their position.
"""

import gzip
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from digest.papers.paper import Paper, Votes, arxiv_id
from digest.papers.sources.huggingface import listing_time
from digest.papers.sources.reading import JSON, count_of, instant_of

SOURCE = "huggingface"
MORNING = "api-snapshot"  # the first reading of a day's list, at which an issue can be cut
_LISTS = {MORNING, "page-daily"}  # sources that show a daily list


@dataclass(slots=True)
class Recorded:
    """The contents of a folder."""

    papers: dict[str, Paper] = field(default_factory=dict)
    first_listed_at: dict[str, datetime] = field(default_factory=dict)  # when the values in `papers` were first listed
    votes: dict[str, list[Votes]] = field(default_factory=lambda: defaultdict(list))
    first_seen: dict[str, datetime] = field(default_factory=dict)
    read_at: dict[date, list[datetime]] = field(default_factory=lambda: defaultdict(list))  # of each list, in order
    list_days: set[date] = field(default_factory=set)
    unreadable: list[str] = field(default_factory=list)  # position and reason


def read_folder(folder: Path) -> Recorded:
    """Everything in the folder. Raises FileNotFoundError if one of the two required files is missing."""
    recorded = Recorded()
    files = (("daily_papers", _keep_paper), ("votes", _keep_votes), ("feed_only_papers", _keep_late_paper))
    for name, keep in files:
        path = next(filter(Path.is_file, (folder / f"{name}.jsonl.gz", folder / f"{name}.jsonl")), None)
        if path:
            _read(path, keep, recorded)
        elif keep is not _keep_late_paper:
            raise FileNotFoundError(f"{folder} has no {name}.jsonl.gz")
    for series in recorded.votes.values():
        series.sort(key=lambda votes: (votes.observed_at, votes.upvotes))
    return recorded


def _read(path: Path, keep: Callable[[Mapping[str, Any], Recorded], None], recorded: Recorded) -> None:
    """Keep every record of a file. Other lines, and a file that breaks off, are noted as unreadable."""
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    keep(_object(line), recorded)
                except ValueError as problem:
                    recorded.unreadable.append(f"{path.name} line {number}: {problem}")
    except (EOFError, OSError) as error:
        recorded.unreadable.append(f"{path.name} breaks off after line {number}: {error}")


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        record = JSON.decode(line.decode())
    except (ValueError, RecursionError):
        raise ValueError("it is not JSON") from None
    if not isinstance(record, dict):
        raise ValueError("it is not an object")
    return record


def _keep_paper(record: Mapping[str, Any], recorded: Recorded) -> None:
    day = _day(record.get("date"))
    if day is None:
        raise ValueError("date is missing or odd")
    votes = _keep_count(record, recorded)
    recorded.list_days.add(day)
    if votes.observed_at < recorded.first_listed_at.get(votes.paper_id, datetime.max.replace(tzinfo=UTC)):
        recorded.first_listed_at[votes.paper_id] = votes.observed_at
        recorded.papers[votes.paper_id] = _paper(votes.paper_id, record, day)


def _keep_votes(record: Mapping[str, Any], recorded: Recorded) -> None:
    votes = _keep_count(record, recorded)
    if record.get("src") in _LISTS:
        first_seen = recorded.first_seen.get(votes.paper_id, votes.observed_at)
        recorded.first_seen[votes.paper_id] = min(votes.observed_at, first_seen)
    if record.get("src") == MORNING:
        recorded.read_at[_day(record.get("list_date")) or votes.observed_at.date()].append(votes.observed_at)


def _keep_count(record: Mapping[str, Any], recorded: Recorded) -> Votes:
    paper_id, seen_at = _paper_id(record), instant_of(record.get("observed_at"))
    upvotes = count_of(record.get("upvotes"))
    if not paper_id or seen_at is None or upvotes is None:
        raise ValueError("id, observed_at or upvotes is missing or odd")
    comments, stars = count_of(record.get("numComments")), count_of(record.get("githubStars"))
    votes = Votes(paper_id, SOURCE, seen_at, upvotes, comments or 0, stars)
    recorded.votes[paper_id].append(votes)
    return votes


def _keep_late_paper(record: Mapping[str, Any], recorded: Recorded) -> None:
    paper_id, seen_at = _paper_id(record), instant_of(record.get("first_seen"))
    if not paper_id or seen_at is None:
        raise ValueError("id or first_seen is missing or odd")
    if paper_id not in recorded.papers:
        recorded.first_listed_at[paper_id] = seen_at
        recorded.papers[paper_id] = Paper(
            paper_id, _text(record, "title"), _text(record, "summary"), authors=_authors(record)
        )


def _paper(paper_id: str, record: Mapping[str, Any], day: date) -> Paper:
    return Paper(
        id=paper_id,
        title=_text(record, "title"),
        abstract=_text(record, "summary"),
        authors=_authors(record),
        organization=_text(record, "organization"),
        submitter=_text(record, "submittedBy"),
        listed_at=listing_time(record.get("submittedOnDailyAt"), record.get("discussionId"), day),
        code_url=_text(record, "githubRepo"),
        project_url=_text(record, "projectPage"),
    )


def _paper_id(record: Mapping[str, Any]) -> str:
    written = _text(record, "id")
    return arxiv_id(written) or written[:80]


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _authors(record: Mapping[str, Any]) -> tuple[str, ...]:
    names = record.get("authors")
    return tuple(name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None

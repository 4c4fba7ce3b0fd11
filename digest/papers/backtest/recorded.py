"""Reads recorded lists and votes of Hugging Face Daily Papers from files.

A folder has `daily_papers.jsonl.gz` (the lists) and `votes.jsonl.gz` (votes at several times), and may have
`feed_only_papers.jsonl.gz` (papers added to a list after it was read); each also without `.gz`. Unreadable records are
skipped, and noted with their position.
"""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from digest.papers.paper import Paper, Votes
from digest.papers.sources.reading import count_of, instant_of

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
        candidates = (folder / f"{name}.jsonl.gz", folder / f"{name}.jsonl")
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None and keep is not _keep_late_paper:
            raise FileNotFoundError(f"{folder} has no {name}.jsonl.gz")
        for position, record in _records(path, recorded) if path else ():
            problem = keep(record, recorded)
            if problem:
                recorded.unreadable.append(f"{position}: {problem}")
    for series in recorded.votes.values():
        series.sort(key=lambda votes: (votes.observed_at, votes.upvotes))
    return recorded


def _records(path: Path, recorded: Recorded) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every line that is an object. Other lines, and a file that breaks off, are noted as unreadable."""
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                position = f"{path.name} line {number}"
                try:
                    record = json.loads(line)
                except (ValueError, RecursionError):
                    recorded.unreadable.append(f"{position}: it is not JSON")
                    continue
                if isinstance(record, dict):
                    yield position, record
                else:
                    recorded.unreadable.append(f"{position}: it is not an object")
    except (EOFError, OSError) as error:
        recorded.unreadable.append(f"{path.name} breaks off after line {number}: {error}")


def _keep_paper(record: Mapping[str, Any], recorded: Recorded) -> str:
    paper_id, seen_at, upvotes = _id(record), instant_of(record.get("observed_at")), count_of(record.get("upvotes"))
    day = _day(record.get("date"))
    if not paper_id or seen_at is None or upvotes is None or day is None:
        return "id, observed_at, upvotes or date is missing or odd"
    recorded.list_days.add(day)
    stars, comments = count_of(record.get("githubStars")), count_of(record.get("numComments"))
    recorded.votes[paper_id].append(Votes(paper_id, SOURCE, seen_at, upvotes, comments or 0, stars))
    if seen_at < recorded.first_listed_at.get(paper_id, datetime.max.replace(tzinfo=UTC)):
        recorded.first_listed_at[paper_id] = seen_at
        recorded.papers[paper_id] = _paper(paper_id, record, day)
    return ""


def _keep_votes(record: Mapping[str, Any], recorded: Recorded) -> str:
    paper_id, seen_at, upvotes = _id(record), instant_of(record.get("observed_at")), count_of(record.get("upvotes"))
    if not paper_id or seen_at is None or upvotes is None:
        return "id, observed_at or upvotes is missing or odd"
    comments = count_of(record.get("numComments")) or 0
    recorded.votes[paper_id].append(Votes(paper_id, SOURCE, seen_at, upvotes, comments))
    if record.get("src") in _LISTS:
        recorded.first_seen[paper_id] = min(seen_at, recorded.first_seen.get(paper_id, seen_at))
    day = _day(record.get("list_date"))
    if record.get("src") == MORNING:
        recorded.read_at[day or seen_at.date()].append(seen_at)
    return ""


def _keep_late_paper(record: Mapping[str, Any], recorded: Recorded) -> str:
    paper_id, seen_at = _id(record), instant_of(record.get("first_seen"))
    if not paper_id or seen_at is None:
        return "id or first_seen is missing or odd"
    if paper_id not in recorded.papers:
        recorded.first_listed_at[paper_id] = seen_at
        recorded.papers[paper_id] = Paper(paper_id, _text(record, "title"), authors=_authors(record))
    return ""


def _paper(paper_id: str, record: Mapping[str, Any], day: date) -> Paper:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return Paper(
        id=paper_id,
        title=_text(record, "title"),
        authors=_authors(record),
        organization=_text(record, "organization"),
        submitter=_text(record, "submittedBy"),
        listed_at=instant_of(record.get("submittedOnDailyAt")) or midnight,
        code_url=_text(record, "githubRepo"),
        project_url=_text(record, "projectPage"),
    )


def _id(record: Mapping[str, Any]) -> str:
    return _text(record, "id")[:80]


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

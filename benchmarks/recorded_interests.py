"""Tasks of `benchmarks.interests` from recorded lists: who wrote or submitted some papers, and which came later.

Real text with its word order, of the fields that Digest is made for. `authors`: papers of one author in April 2026, and
theirs in the arXiv lists of May. `submitters`: papers that one account submitted to Hugging Face before July 2025, and
those that it submitted later.
"""

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Documents = dict[str, str]  # id → text
Timeline = defaultdict[str, list[str]]  # ids of papers by person

_POOL = 500  # papers
_RELEVANT = 5
_SEED = 17


@dataclass(frozen=True, slots=True)
class Task:
    """A subscriber: the papers they liked, and a pool of which they kept the relevant ones."""

    liked: list[str]
    pool: list[str]
    relevant: set[str]


def authors(folder: Path) -> tuple[Documents, list[Task]]:
    """Read tasks from the arXiv lists below a folder of recordings. Raises OSError."""
    papers = list(lines(folder / "arxiv" / "listings_2026-04_2026-05.jsonl.gz"))
    earlier: Timeline = defaultdict(list)
    later: Timeline = defaultdict(list)
    for paper in papers:
        for name in dict.fromkeys(paper["authors"]):
            (later if paper["first_listed"] >= "2026-05-01" else earlier)[name].append(paper["id"])
    people = [(earlier[name][:30], later[name]) for name in sorted(earlier) if 3 <= len(earlier[name]) <= 30]
    newest = [paper["id"] for paper in papers if paper["first_listed"] >= "2026-05-01"]
    return {paper["id"]: f"{paper['title']} {paper['summary']}" for paper in papers}, _tasks(people, newest)


def submitters(folder: Path) -> tuple[Documents, list[Task]]:
    """Read tasks from the Hugging Face lists below a folder of recordings. Raises OSError."""
    papers = {paper["id"]: paper for paper in lines(folder / "hf" / "daily_papers.jsonl.gz")}
    earlier: Timeline = defaultdict(list)
    later: Timeline = defaultdict(list)
    for paper in papers.values():
        if paper.get("submittedBy"):
            (later if paper["date"] >= "2025-07-01" else earlier)[_account(paper)].append(paper["id"])
    people = [(earlier[name][-30:], later[name]) for name in sorted(earlier) if len(earlier[name]) >= 3]
    newest = [paper["id"] for paper in papers.values() if paper["date"] >= "2025-07-01"]
    texts = {
        paper["id"]: f"{paper['title']} {paper['summary']} {' '.join(paper.get('ai_keywords') or ())}"
        for paper in papers.values()
    }
    return texts, _tasks(people, newest)


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read a compressed file of JSON lines. Raises OSError."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


RECORDINGS = {"authors": authors, "submitters": submitters}


def _account(paper: dict[str, Any]) -> str:
    by = paper["submittedBy"]
    return str(by.get("user") or by.get("name") or by.get("fullname") if isinstance(by, dict) else by)


def _tasks(people: list[tuple[list[str], list[str]]], newest: list[str]) -> list[Task]:
    """Make a task of everybody with a later paper: the first of those, hidden among random others."""
    chance = random.Random(_SEED)
    tasks = []
    for liked, kept in people:
        if kept and not set(kept) & set(liked):
            relevant = kept[:_RELEVANT]
            others = [paper for paper in chance.sample(newest, _POOL) if paper not in {*kept, *liked}]
            pool = [*relevant, *others][:_POOL]
            chance.shuffle(pool)
            tasks.append(Task(liked, pool, set(relevant)))
    return tasks

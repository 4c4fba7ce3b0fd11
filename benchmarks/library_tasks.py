"""Real libraries and what joined them later, cut from recorded lists: the tasks of benchmarks.libraries.

An owner's earlier papers are the library. The pool of a task is every paper of a later period, and relevant are the
owner's own. No paper is in a library and its pool, and a later paper whose title repeats one of the library is not
counted: it may be another version.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.interests import Documents, Task, lines

_MAY = date(2026, 5, 1)
_WEEKS = [date(2026, 5, 1), *(date(2026, 5, day) for day in (4, 11, 18, 25)), date(2026, 6, 1)]
_MONTHS = [date(2025, 12, 1), *(date(2026, month, 1) for month in range(1, 7))]
_SAME_TITLE = 0.8  # share of the words of two titles


@dataclass(frozen=True, slots=True)
class ListedPaper:
    """A paper of a recorded list."""

    id: str
    day: date
    title: str
    abstract: str
    authors: frozenset[str]
    submitter: str | None = None

    @property
    def text(self) -> str:
        """Return what a space is fitted on."""
        return f"{self.title} {self.abstract}"


@dataclass(frozen=True, slots=True)
class OwnerRule:
    """Which owners count."""

    fewest: int  # papers in a library
    most: int  # papers in all: behind a name or an account with more are several people
    linked: bool = False  # a name's papers count only where further authors connect them


@dataclass(frozen=True, slots=True)
class Period:
    """A later period. The library ends at `until`; `documents` has the texts of everything up to the period's end."""

    documents: Documents
    now: datetime
    until: date
    pool: Sequence[ListedPaper]


@dataclass(frozen=True, slots=True)
class LibraryTask:
    """An owner's library, newest first with the day of each paper, and the papers that joined in a period."""

    owner: str
    task: Task
    days: Sequence[date]


@dataclass(frozen=True, slots=True)
class TaskSet:
    """Owners' papers, of which a rule decides whose count."""

    rule: OwnerRule
    owned: Mapping[str, Sequence[ListedPaper]]

    def tasks(self, period: Period) -> list[LibraryTask]:
        """Return the tasks of a period. Of two owners who share over half of a library only the first counts: most
        authors have co-authors.
        """
        pool = [paper.id for paper in period.pool]
        later, taken, tasks = set(pool), defaultdict[str, set[str]](set), []
        for owner, papers in sorted(self.owned.items()):
            library = [paper for paper in papers if paper.day < period.until]
            relevant = [paper for paper in papers if paper.id in later and not _repeats(paper, library)]
            shared = Counter(other for paper in library for other in taken[paper.id])
            if len(library) < self.rule.fewest or not relevant or 2 * max(shared.values(), default=0) > len(library):
                continue
            library.sort(key=lambda paper: (paper.day, paper.id), reverse=True)
            for paper in library:
                taken[paper.id].add(owner)
            task = Task([paper.id for paper in library], pool, {paper.id for paper in relevant})
            tasks.append(LibraryTask(owner, task, [paper.day for paper in library]))
        return tasks


@dataclass(frozen=True, slots=True)
class RecordedLists:
    """Recorded lists, the periods whose papers are to be ranked, and the sets of tasks by name."""

    papers: Sequence[ListedPaper]
    bounds: Sequence[date]  # of the periods
    sets: Mapping[str, TaskSet]
    until: date | None = None  # the end of all libraries; otherwise each ends where its period starts

    def periods(self) -> Iterable[Period]:
        """Return the periods, oldest first."""
        for start, end in pairwise(self.bounds):
            documents = {paper.id: paper.text for paper in self.papers if paper.day < end}
            pool = [paper for paper in self.papers if start <= paper.day < end]
            now = datetime(start.year, start.month, start.day, tzinfo=UTC)
            yield Period(documents, now, self.until or start, pool)


def read_lists(data: Path) -> tuple[RecordedLists, RecordedLists]:
    """Return the lists of arXiv and of Hugging Face. Raises OSError."""
    arxiv = [_arxiv_paper(line) for line in lines(data / "arxiv" / "listings_2026-04_2026-05.jsonl.gz")]
    by_id = {line["id"]: _listed_paper(line) for line in lines(data / "hf" / "daily_papers.jsonl.gz")}
    hf = sorted(by_id.values(), key=lambda paper: (paper.day, paper.id))
    return (
        RecordedLists(
            arxiv,
            _WEEKS,
            {
                "arxiv_names": _by_name(arxiv, OwnerRule(3, 12)),
                "arxiv_linked": _by_name(arxiv, OwnerRule(2, 12, linked=True)),
            },
            _MAY,
        ),
        RecordedLists(
            hf,
            _MONTHS,
            {
                "hf_accounts": TaskSet(OwnerRule(3, 50), _by_account(hf, 50)),
                "hf_authors": _by_name(hf, OwnerRule(3, 20, linked=True)),
            },
        ),
    )


def _by_name(papers: Sequence[ListedPaper], rule: OwnerRule) -> TaskSet:
    return TaskSet(rule, owned_by_name(papers, rule))


def owned_by_name(papers: Sequence[ListedPaper], rule: OwnerRule) -> dict[str, Sequence[ListedPaper]]:
    """Return the papers of each name that the rule allows."""
    owned = defaultdict[str, list[ListedPaper]](list)
    for paper in papers:
        for author in paper.authors:
            owned[author].append(paper)
    few = {name: own for name, own in owned.items() if rule.fewest < len(own) <= rule.most}
    return {name: _connected(name, own) for name, own in few.items()} if rule.linked else dict(few)


def _by_account(papers: Sequence[ListedPaper], most: int) -> dict[str, Sequence[ListedPaper]]:
    owned = defaultdict[str, list[ListedPaper]](list)
    for paper in papers:
        if paper.submitter:
            owned[paper.submitter].append(paper)
    return {account: own for account, own in owned.items() if len(own) <= most}


def _connected(name: str, papers: Sequence[ListedPaper]) -> list[ListedPaper]:
    """Return the largest group of papers that are connected by authors other than this one."""
    groups: list[tuple[set[str], list[ListedPaper]]] = []
    for paper in papers:
        others = set(paper.authors) - {name}
        touched = [group for group in groups if group[0] & others]
        groups = [group for group in groups if not group[0] & others]
        authors = others.union(*(group[0] for group in touched))
        groups.append((authors, [*(paper for group in touched for paper in group[1]), paper]))
    return max(groups, key=lambda group: len(group[1]))[1]


def _repeats(paper: ListedPaper, library: Sequence[ListedPaper]) -> bool:
    words = set(paper.title.casefold().split())
    titles = [set(earlier.title.casefold().split()) for earlier in library]
    return any(len(words & title) >= _SAME_TITLE * len(words | title) for title in titles)


def _arxiv_paper(line: Mapping[str, Any]) -> ListedPaper:
    day = date.fromisoformat(line["first_listed"])
    return ListedPaper(line["id"], day, line["title"], line["summary"], frozenset(line["authors"]))


def _listed_paper(line: Mapping[str, Any]) -> ListedPaper:
    day, authors = date.fromisoformat(line["date"]), frozenset(line["authors"])
    return ListedPaper(line["id"], day, line["title"], line["summary"], authors, line.get("submittedBy"))

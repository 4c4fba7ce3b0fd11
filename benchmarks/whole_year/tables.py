"""The growth of the tables of an SQLite file."""

from collections import Counter
from typing import Any

from sqlalchemy import Engine, func, select, text

from digest.database.engine import read_only
from digest.database.tables import papers

_BETWEEN = 30  # days between two measurements
_ARCHIVE = ("papers", "paper_words", "paper_index")  # grow with each paper
_LARGEST = 8
_FREE_PAGES = "free pages"
_BYTES = text(
    "SELECT CASE WHEN name LIKE 'paper_index%' THEN 'paper_index' "
    "ELSE coalesce((SELECT tbl_name FROM sqlite_master WHERE sqlite_master.name = dbstat.name), dbstat.name) END, "
    "sum(pgsize) FROM dbstat WHERE aggregate = TRUE GROUP BY 1"
)
_FREE = text("SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size")


class Growth:
    """The bytes of each table with its indexes, measured every 30 days."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._sizes: list[Counter[str]] = []

    def end_day(self, number: int) -> None:
        """Measure at the end of a day, numbered from 0, if it is time."""
        if number % _BETWEEN == _BETWEEN - 1:
            with read_only(self._engine) as connection:
                sizes = Counter[str](dict(connection.execute(_BYTES).tuples().all()))
                sizes[_FREE_PAGES] = connection.execute(_FREE).scalar_one()
            self._sizes.append(sizes)

    @property
    def late(self) -> float | None:
        """The size without the archive of papers over that of 60 days before; None in the first months."""
        others = [each.total() - _archive(each) for each in self._sizes]
        return round(others[-1] / others[-3], 3) if len(others) > 4 else None

    def results(self) -> dict[str, Any]:
        last = self._sizes[-1] if self._sizes else Counter[str]()
        with read_only(self._engine) as connection:
            archived = connection.scalar(select(func.count()).select_from(papers)) or 1
        names = [name for name, _ in last.most_common(_LARGEST)]
        return {
            "late_growth": self.late,
            "largest_tables": {name: [round(each[name] / 1e6, 2) for each in self._sizes] for name in names},
            "archive_kb_a_paper": round(_archive(last) / archived / 1e3, 2),
        }


def _archive(sizes: Counter[str]) -> int:
    return sum(sizes[name] for name in _ARCHIVE)

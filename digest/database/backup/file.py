"""Reads a backup file without restoring it."""

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from digest.database.backup import tools
from digest.database.backup.dump import check_sqlite
from digest.database.backup.tools import BackupError

_SQLITE, _POSTGRESQL = b"SQLite format 3\0", b"PGDMP"
_ESCAPED = re.compile(r"\\(.)")
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}


@dataclass(frozen=True, slots=True)
class BackupFile:
    """A backup file of a database with this `dialect`."""

    path: Path
    dialect: str

    def check(self) -> None:
        """Raise BackupError if the file is damaged."""
        if self.dialect == "sqlite":
            with closing(self._connect()) as connection:
                check_sqlite(connection)
        else:
            self.contents()

    def rows(self, table: str) -> list[dict[str, str | None]]:
        """Return the rows of a small table, as text; an empty list if there is no such table."""
        if self.dialect == "sqlite":
            with closing(self._connect()) as connection:
                connection.row_factory = sqlite3.Row
                has_table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [table]).fetchone()
                # The name is a constant.
                every = connection.execute(f"SELECT * FROM {table}") if has_table else ()  # noqa: S608
                return [dict(row) for row in every]
        return _rows_of(self._pg_restore("--data-only", f"--table={table}", "--file=-"))

    def contents(self) -> list[str]:
        """Return the table of contents of a PostgreSQL dump, with an entry per line."""
        return self._pg_restore("--list").splitlines()

    def _pg_restore(self, *options: str) -> str:
        return tools.run([tools.tool("pg_restore"), *options, str(self.path)])

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)


def backup_file(path: Path) -> BackupFile:
    """Recognise the format of a backup by its first bytes. Raises BackupError."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_SQLITE))
    except OSError as problem:
        raise BackupError(f"{path} cannot be read ({problem.strerror})") from None
    if head == _SQLITE:
        return BackupFile(path, "sqlite")
    if head.startswith(_POSTGRESQL):
        return BackupFile(path, "postgresql")
    raise BackupError(f"{path} is neither an SQLite database nor a dump of PostgreSQL. Name a file of digest backup")


def _rows_of(script: str) -> list[dict[str, str | None]]:
    """Parse the rows in a script with COPY … FROM stdin."""
    rows: list[dict[str, str | None]] = []
    columns: list[str] = []
    for line in script.split("\n"):
        if line.startswith("COPY ") and line.endswith(" FROM stdin;"):
            columns = [name.strip().strip('"') for name in line[line.index("(") + 1 : line.rindex(")")].split(",")]
        elif line == "\\.":
            columns = []
        elif columns:
            rows.append(dict(zip(columns, map(_value, line.split("\t")), strict=True)))
    return rows


def _value(text: str) -> str | None:
    return None if text == "\\N" else _ESCAPED.sub(lambda match: _LETTERS.get(match[1], match[1]), text)

"""Importing lists of people: spreadsheet.py reads a file, listed_status.py their status, rows.py stores them."""

from digest.subscribers.imports.rows import Import, ImportReport, RowOutcome, import_rows
from digest.subscribers.imports.spreadsheet import Row, UnreadableList, bare_address, read_list, written

__all__ = [
    "Import",
    "ImportReport",
    "Row",
    "RowOutcome",
    "UnreadableList",
    "bare_address",
    "import_rows",
    "read_list",
    "written",
]

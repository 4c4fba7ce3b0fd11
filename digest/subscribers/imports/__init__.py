"""Import and export of lists of people: exporting.py writes a list; list_file.py reads one, people.py the person in a
row, listed_status.py their status; importing.py processes a list, and batches.py stores it.
"""

from digest.subscribers.imports.batches import RowOutcome
from digest.subscribers.imports.exporting import count_exported, exported
from digest.subscribers.imports.importing import AlreadyRunning, ImportReport, OtherKey, import_list, import_rows
from digest.subscribers.imports.json_list import UnreadableList
from digest.subscribers.imports.list_file import ListFile, bare_address
from digest.subscribers.imports.people import Import

__all__ = [
    "AlreadyRunning",
    "Import",
    "ImportReport",
    "ListFile",
    "OtherKey",
    "RowOutcome",
    "UnreadableList",
    "bare_address",
    "count_exported",
    "exported",
    "import_list",
    "import_rows",
]

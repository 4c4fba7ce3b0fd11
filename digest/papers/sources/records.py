"""Reads the records in a JSON answer, even a broken one.

Answers have been seen as a list, wrapped in {"status", "data"}, with records as Python reprs inside JSON strings, and
cut off in the middle. Every whole record is read.
"""

import ast
import re
import warnings
from typing import Any

from digest.papers.sources.reading import JSON, decoded

_WRAPPERS = ("data", "papers", "dailyPapers", "results")
_LONGEST_REPR = 2_000_000
_GAP = re.compile(r"[\s,]*")


def records(body: bytes) -> tuple[list[Any], str] | None:
    """The records of an answer, and why there may be more ("" if it is whole); None if it is not a list."""
    text = decoded(body)
    try:
        document = _unwrapped(JSON.decode(text))
    except (ValueError, RecursionError):
        return _whole_records(text)
    return None if document is None else (document, "")


def as_object(record: Any) -> dict[str, Any] | None:
    """A record as an object, also when it is the text of one (JSON or a Python repr)."""
    if isinstance(record, str):
        record = _parsed(record)
    return record if isinstance(record, dict) else None


def _unwrapped(document: Any) -> list[Any] | None:
    if isinstance(document, dict):
        document = next((document[name] for name in _WRAPPERS if isinstance(document.get(name), list)), None)
    return document if isinstance(document, list) else None


def _whole_records(text: str) -> tuple[list[Any], str] | None:
    """The records before the point where the document stops being JSON."""
    wrapper = re.match(rf'\s*\{{.{{0,500}}?"(?:{"|".join(_WRAPPERS)})"\s*:\s*(?=\[)|\s*(?=\[)', text, re.DOTALL)
    if wrapper is None:
        return None
    whole, position = [], wrapper.end() + 1
    try:
        while True:
            gap = _GAP.match(text, position)
            record, position = JSON.raw_decode(text, gap.end() if gap else position)
            whole.append(record)
    except (ValueError, RecursionError):
        return (whole, "the answer ends in the middle of a record") if whole else None


def _parsed(text: str) -> Any:
    if len(text) > _LONGEST_REPR:
        return None
    try:
        return JSON.decode(text)
    except (ValueError, RecursionError):
        pass  # then perhaps a repr
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd escapes in the text
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None

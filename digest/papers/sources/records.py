"""The bytes of a JSON answer → its records, whole or not.

Answers have come as a list, wrapped in {"status", "data"}, with records written as Python reprs inside JSON strings,
and cut off in the middle; every record that is whole is read.
"""

import ast
import json
import re
import warnings
from typing import Any

_WRAPPERS = ("data", "papers", "dailyPapers", "results")
_LONGEST_REPR = 2_000_000
_DECODER = json.JSONDecoder()
_GAP = re.compile(r"[\s,]*")


def records(body: bytes) -> tuple[list[Any], str] | None:
    """The records of an answer and why there may be more of them ("" when it was whole); None when it is no list."""
    text = body.decode("utf-8-sig", errors="replace")
    try:
        found = _unwrapped(json.loads(text))
    except (ValueError, RecursionError):
        return _whole_ones(text)
    return None if found is None else (found, "")


def as_object(record: Any) -> dict[str, Any] | None:
    """A record as an object, also when it came as the text of one (JSON or a Python repr)."""
    if isinstance(record, str):
        record = _parsed(record)
    return record if isinstance(record, dict) else None


def _unwrapped(document: Any) -> list[Any] | None:
    if isinstance(document, dict):
        document = next((document[name] for name in _WRAPPERS if isinstance(document.get(name), list)), None)
    return document if isinstance(document, list) else None


def _whole_ones(text: str) -> tuple[list[Any], str] | None:
    """What stands before the place where the document stops being JSON."""
    wrapper = re.match(rf'\s*\{{.{{0,500}}?"(?:{"|".join(_WRAPPERS)})"\s*:\s*(?=\[)|\s*(?=\[)', text, re.DOTALL)
    if wrapper is None:
        return None
    found, position = [], wrapper.end() + 1
    try:
        while True:
            gap = _GAP.match(text, position)
            record, position = _DECODER.raw_decode(text, gap.end() if gap else position)
            found.append(record)
    except (ValueError, RecursionError):
        return (found, "the answer ends in the middle of a record") if found else None


def _parsed(text: str) -> Any:
    if len(text) > _LONGEST_REPR:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass  # then perhaps a repr
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an odd escape inside is the sender's affair
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
        return None

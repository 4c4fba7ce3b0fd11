"""Reads the records in a JSON answer, even a broken one.

Answers have been seen as a list, wrapped in {"status", "data"}, with records as Python reprs inside JSON strings, and
cut off in the middle. Every whole record is read.
"""

import json
import re
from typing import Any

from digest.papers.sources.reading import JSON, decoded

_WRAPPERS = ("data", "papers", "dailyPapers", "results")
_LONGEST_RECORD = 200_000  # characters of one that is a string; real ones have 5,000
_GAP = re.compile(r"[\s,]*")
# The tokens of a Python repr of a record: strings without a prefix, numbers, punctuation, constants.
_REPR = re.compile(
    r"""\s*+(?:(?P<text>'[^'\\]*+(?:\\.[^'\\]*+)*'|"[^"\\]*+(?:\\.[^"\\]*+)*")|(?P<other>-?\d[\d.e+-]{0,40}|[][{}:,()]"""
    r"""|None|True|False|nan))\s*+""",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}
_AS_JSON = {"None": "null", "True": "true", "False": "false", "nan": "null", "(": "[", ")": "]"}


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
    if len(text) > _LONGEST_RECORD:
        return None
    try:
        return JSON.decode(text)
    except (ValueError, RecursionError):
        pass  # then perhaps a repr
    try:
        return JSON.decode(_json_of(text))
    except (ValueError, RecursionError):
        return None


def _json_of(text: str) -> str:
    """A Python repr as JSON. Raises ValueError.

    Python's own parser would also read f-strings, long sums and the like, which can keep it busy for minutes.
    """
    parts, at = [], 0
    while at < len(text):
        token = _REPR.match(text, at)
        if token is None:
            raise ValueError("neither JSON nor the repr of a record")
        at = token.end()
        other = token["other"]
        parts.append(_AS_JSON.get(other, other) if other else json.dumps(_ESCAPE.sub(_unescaped, token["text"][1:-1])))
    return "".join(parts)


def _unescaped(escape: re.Match[str]) -> str:
    code = escape[1] or escape[2] or escape[3]
    return chr(int(code, 16)) if code else _ESCAPED.get(escape[4], escape[4])

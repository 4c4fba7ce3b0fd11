"""Reads people from JSON: our own lists and a subscriber's own data, and those of other programs. Pure."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from digest.subscribers.imports.columns import Row, columns_of, is_for_addresses, unread

_ADDRESS = re.compile(r"[^\s,;<>@＠﹫]+[@＠﹫][^\s,;<>@＠﹫]+")


class UnreadableList(ValueError):
    """The file is not a list; the message says what to do."""


def by_line(text: Iterable[str]) -> Iterator[tuple[int, Row]]:
    """Yield the people in a file with an object per line, such as our own, with the number of the line."""
    for number, line in enumerate(text, start=1):
        part = line.strip().lstrip("[,").rstrip(",]").strip()
        if part:
            yield from ((number, row) for row in people_in(_parsed([part])))


def documents_in(text: str) -> list[Any]:
    return _parsed([text])


def _parsed(documents: Iterable[str]) -> list[Any]:
    with suppress(ValueError, RecursionError):
        return [json.loads(document) for document in documents]
    raise UnreadableList("it begins like JSON, but is not complete; export it again, or save it as CSV")


def names_in(rows: Sequence[Row]) -> list[str]:
    """Return the names whose values are ignored."""
    return unread([*dict.fromkeys(name for row in rows for name, _ in row if name != "email")])


def people_in(documents: Iterable[Any]) -> Iterator[Row]:
    """Yield every object with an address, or with the key of a deleted person."""
    rest = [*documents]
    while rest:
        part = rest.pop(0)
        if isinstance(part, dict) and isinstance(part.get("subscriber"), dict):
            part = _own_data(part)
        if isinstance(part, list):
            yield from ([("email", text)] for text in part if isinstance(text, str) and _ADDRESS.fullmatch(text))
        if isinstance(part, dict) and (name := _name_of_address(part)):
            yield _row(part, name)
        elif isinstance(part, (dict, list)):
            rest[:0] = part.values() if isinstance(part, dict) else part


def _row(part: dict[str, Any], name: str) -> Row:
    if "key" in part and "id" in part:  # `subscribers list`
        part = {"number": part["id"]} | part
    part = {"email": part[name]} | {other: value for other, value in part.items() if other != name}
    groups = [part, *(part[name] for name in ("preferences", "consent") if isinstance(part.get(name), dict))]
    pairs = [(name, _cell(value)) for group in groups for name, value in _flat(group)]
    return [*zip(columns_of([name for name, _ in pairs]), (cell for _, cell in pairs), strict=True)]


def _flat(group: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Flatten an object: values of an inner object get the names of both."""
    for name, value in group.items():
        if isinstance(value, dict) and name not in ("preferences", "consent"):
            yield from ((f"{name}_{inner}", each) for inner, each in value.items())
        else:
            yield name, value


def _own_data(part: dict[str, Any]) -> dict[str, Any]:
    """Convert the output of `subscribers show`: move the suppression and earlier consents into the subscriber."""
    own: dict[str, Any] = part["subscriber"] | {"suppressed": part.get("suppressed")}
    if isinstance(why := part.get("suppression"), dict):
        own |= {name: why.get(field) for name, field in _SUPPRESSION.items()}
    others = part.get("other_consents")
    return own | ({"other_consents": json.dumps(others)} if others else {})


_SUPPRESSION = {"suppressed": "reason", "suppressed_because": "detail", "suppressed_at": "since"}


def _name_of_address(part: dict[str, Any]) -> str:
    """Return the name of the value with the address; "" if there is none."""
    names = [*filter(is_for_addresses, part)]
    return min(names, key=lambda name: not _ADDRESS.fullmatch(str(part[name]).strip()), default="")


def _cell(value: Any) -> str:
    """Convert a value to text: lists with commas, truth as yes or no."""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)

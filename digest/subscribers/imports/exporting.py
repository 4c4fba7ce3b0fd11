"""The rows of Digest's own export: every subscriber, then the suppressions of deleted people.

It reads columns rather than Subscribers, which takes a third of the time. importing.py reads everything back.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import fields
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, DateTime, Row, String, exists, func, select, type_coerce

from digest.database.dialect import in_list_param, use_indexed_order
from digest.database.tables import consents, subscribers, suppressions
from digest.subscribers.imports.columns import COLUMNS, PREFERENCES, harmless
from digest.subscribers.subscriber import Consent

_AT_ONCE = 2000
_LISTS = ("topics", "keywords", "categories", "authors", "labs", "muted_topics", "muted_words")
_CONSENT = tuple(field.name for field in fields(Consent))
_INSTANTS = ("created_at", "confirmed_at", "changed_at", "requested_at")
_TEXTS = ("form", "requested_from", "confirmed_from")


def exported(connection: Connection, key_id: str) -> Iterator[Sequence[str]]:
    """Yield the heading and the rows. `key_id`: of the key of deleted people's hashes."""
    yield COLUMNS
    query = select(
        subscribers.c.id,
        subscribers.c.email,
        subscribers.c.key,
        subscribers.c.status,
        subscribers.c.link_version,
        *(_instant_as_read(subscribers.c[name]) for name in _INSTANTS),
        *(subscribers.c[name] for name in _TEXTS),
        *(_as_text(connection, name) if name in _LISTS else subscribers.c[name] for name in PREFERENCES),
    )
    use_indexed_order(connection)
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
    result = connection.execute(query.order_by(subscribers.c.id), execution_options={"yield_per": _AT_ONCE})
    for rows in result.partitions(_AT_ONCE):
        others = _other_consents(connection, rows[0].id, rows[-1].id)
        suppressed = _suppressions(connection, [row.key for row in rows])
        for row in rows:
            yield _cells(row, suppressed.get(row.key), others.get(row.id))
    yield from _deleted(connection, key_id)


def count_exported(connection: Connection) -> int:
    """Count the rows that exported() yields after the heading."""
    people = connection.execute(select(func.count()).select_from(subscribers)).scalar_one()
    deleted = connection.execute(select(func.count()).select_from(suppressions).where(_IS_DELETED)).scalar_one()
    return int(people + deleted)


_IS_DELETED = ~exists().where(subscribers.c.key == suppressions.c.key)
_SUPPRESSED = ("suppressed", "suppressed_at", "suppressed_because", "suppressed_by", "suppressed_until")
_COLUMNS = tuple(suppressions.c[name] for name in ("key", "reason", "created_at", "detail", "source", "expires_at"))


def _cells(row: Row[Any], suppressed: Sequence[str] | None, others: str | None) -> list[str]:
    number, email, key, status, version, *rest = tuple(row)
    created_at, confirmed_at, changed_at, requested_at = map(_instant, rest[:4])
    form, requested_from, confirmed_from, *preferences = rest[4:]
    reason, *about = suppressed or ("", "", "", "", "")
    return [
        harmless(email), status, *_preferences(tuple(preferences)), created_at, confirmed_at, reason, changed_at,
        requested_at, harmless(requested_from), harmless(form), harmless(confirmed_from), others or "", str(version),
        str(number), *about, key, "",
    ]  # fmt: skip


@lru_cache(10_000)
def _preferences(values: tuple[Any, ...]) -> tuple[str, ...]:
    return tuple(harmless(_text(name, value)) for name, value in zip(PREFERENCES, values, strict=True))


def _text(name: str, value: Any) -> str:
    if name in _LISTS:
        return ", ".join(json.loads(value))
    if name == "weekdays":
        return ", ".join(str(day) for day in range(7) if value >> day & 1)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, date) else "" if value is None else str(value)


def _as_text(connection: Connection, name: str) -> Any:
    """Return a list as JSON text, which can be cached."""
    column = subscribers.c[name]
    return column.cast(String).label(name) if connection.dialect.name == "postgresql" else type_coerce(column, String)


def _other_consents(connection: Connection, first: int, last: int) -> dict[int, str]:
    query = select(consents.c.subscriber_id, *(consents.c[name] for name in _CONSENT))
    rows = connection.execute(query.where(consents.c.subscriber_id.between(first, last)).order_by(consents.c.id))
    others = defaultdict[int, list[dict[str, Any]]](list)
    for number, *values in rows:
        texts = (_instant(value) if isinstance(value, datetime) else value for value in values)
        others[number].append(dict(zip(_CONSENT, texts, strict=True)))
    return {number: json.dumps(each, ensure_ascii=False) for number, each in others.items()}


def _suppressions(connection: Connection, keys: Sequence[str]) -> dict[str, Sequence[str]]:
    # Keys within the statement would stay in memory until the next garbage collection.
    query = select(*_COLUMNS).where(in_list_param(connection.dialect.name, suppressions.c.key, "keys"))
    return {row.key: _suppressed(row) for row in connection.execute(query, {"keys": keys})}


def _deleted(connection: Connection, key_id: str) -> Iterator[Sequence[str]]:
    query = select(*_COLUMNS).where(_IS_DELETED).order_by(suppressions.c.key)
    for row in connection.execute(query, execution_options={"yield_per": _AT_ONCE}):
        cells = dict(zip(_SUPPRESSED, _suppressed(row), strict=True)) | {"key": row.key, "key_id": key_id}
        yield [cells.get(name, "") for name in COLUMNS]


def _instant_as_read(column: ColumnElement[datetime]) -> ColumnElement[datetime]:
    """Select an instant without the checks of Instant, which take as long as everything else."""
    return type_coerce(column, DateTime(timezone=True))


def _suppressed(row: Any) -> Sequence[str]:
    """Return the cells of the columns _SUPPRESSED."""
    _key, reason, at, detail, source, until = row
    return reason, at.isoformat(), harmless(detail), harmless(source), _instant(until)


def _instant(value: datetime | None) -> str:
    """Format an instant in UTC, which SQLite reads without its zone."""
    if value is None:
        return ""
    return value.isoformat() if value.tzinfo else f"{value.isoformat()}+00:00"

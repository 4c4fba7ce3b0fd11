"""Reading pages of the console from their first part to their last, and how the database reads for them."""

import re
from collections.abc import Callable
from html import unescape
from urllib.parse import urljoin

from sqlalchemy import Connection, Engine, event, text
from starlette.testclient import TestClient

from digest.database.engine import read_only


def all_parts(browser: TestClient, path: str, pattern: str) -> list[str]:
    """The matches in a list, following its links to older entries."""
    found: list[str] = []
    for _ in range(20):
        page = browser.get(path).text
        found += re.findall(pattern, page)
        older = re.search(r'<a href="([^"]+)">(?:Older|More)</a>', page)
        if older is None:
            return found
        path = urljoin(path, unescape(older[1]))
    raise AssertionError("the list does not end")


def plan_of(engine: Engine, read: Callable[[Connection], object]) -> str:
    """The plan of the last statement of `read`, if the database reads no table from end to end."""
    statements: list[tuple[str, object]] = []
    is_sqlite = engine.dialect.name == "sqlite"

    def note(_connection: object, _cursor: object, statement: str, parameters: object, *_others: object) -> None:
        statements.append((statement, parameters))

    with read_only(engine) as connection:
        if not is_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
            connection.execute(text("SET LOCAL enable_sort = off"))
        event.listen(engine, "before_cursor_execute", note)
        read(connection)
        event.remove(engine, "before_cursor_execute", note)
        statement, parameters = statements[-1]
        explain = f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{statement}"
        return "\n".join(str(row) for row in connection.exec_driver_sql(explain, parameters))  # type: ignore[call-overload]

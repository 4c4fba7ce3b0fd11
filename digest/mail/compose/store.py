"""The rendered fragments of issues as fragments.py writes them; they outlive the templates."""

from sqlalchemy import Connection, select

from digest.database.dialect import insert_new
from digest.database.tables import fragments


def stored_fragments(connection: Connection, issue_id: int, language: str) -> str | None:
    """What is kept for an issue; None while nothing is."""
    found = select(fragments.c.content).where(fragments.c.issue_id == issue_id, fragments.c.language == language)
    content: str | None = connection.execute(found).scalar()
    return content


def keep_fragments(connection: Connection, issue_id: int, language: str, content: str) -> str:
    """Keep `content` unless another worker was faster; what is kept. It never changes afterwards."""
    row = {"issue_id": issue_id, "language": language, "content": content}
    connection.execute(insert_new(connection, fragments).values(row))
    return stored_fragments(connection, issue_id, language) or content

"""SQL for the fragments of issues, as JSON."""

from sqlalchemy import Connection, select

from digest.database.dialect import insert_new
from digest.database.tables import fragments


def stored_fragments(connection: Connection, issue_id: int, language: str) -> str | None:
    query = select(fragments.c.content).where(fragments.c.issue_id == issue_id, fragments.c.language == language)
    content: str | None = connection.execute(query).scalar()
    return content


def keep_fragments(connection: Connection, issue_id: int, language: str, content: str) -> str:
    """Store `content` unless another worker was faster, and return what is stored. It never changes afterwards."""
    row = {"issue_id": issue_id, "language": language, "content": content}
    connection.execute(insert_new(connection, fragments).values(row))
    return stored_fragments(connection, issue_id, language) or content

"""packed picks

Stores the papers of a message as ranks, with compressed reasons. Lists of earlier versions stay as they are.

Revision ID: 0040
Revises: 0039
"""

import json
import struct
import zlib

import sqlalchemy as sa
from alembic import op


revision = '0040'
down_revision = '0039'
branch_labels = None
depends_on = None

_SHRUNK = b'-'  # before the content of a pool that has only papers that someone was sent


def upgrade() -> None:
    op.add_column('deliveries', sa.Column('picks', sa.LargeBinary()))


def downgrade() -> None:
    """Store the papers as before, without their reasons: the earlier version must not send one twice."""
    connection = op.get_bind()
    rows = sa.table('deliveries', *map(sa.column, ('id', 'issue_id', 'picks')), sa.column('selection', sa.JSON()))
    issues = connection.scalars(sa.select(rows.c.issue_id).where(rows.c.picks.is_not(None)).distinct()).all()
    change = sa.update(rows).where(rows.c.id == sa.bindparam('row')).values(selection=sa.bindparam('papers'))
    for issue_id in issues:
        papers = _papers(connection, issue_id)
        packed = connection.execute(sa.select(rows.c.id, rows.c.picks).where(rows.c.issue_id == issue_id, rows.c.picks.is_not(None)))
        lists = [{'row': row, 'papers': _selection(bytes(picks), papers)} for row, picks in packed]
        connection.execute(change, lists)
    op.drop_column('deliveries', 'picks')


def _papers(connection: sa.Connection, issue_id: int) -> dict[int, str]:
    best = sa.text('SELECT rank, paper_id FROM issue_papers WHERE issue_id = :issue')
    papers = {rank: paper_id for rank, paper_id in connection.execute(best, {'issue': issue_id})}
    content = connection.execute(sa.text('SELECT content FROM pools WHERE issue_id = :issue'), {'issue': issue_id}).scalar()
    packed = bytes(content or b'').removeprefix(_SHRUNK)
    others = map(json.loads, zlib.decompress(packed).splitlines()) if packed else ()
    return papers | {row['rank']: row['paper_id'] for row in others}


def _selection(picks: bytes, papers: dict[int, str]) -> dict[str, object]:
    (head,) = struct.unpack_from('<H', picks)
    ranks = struct.unpack_from(f"<{head & 0x7FFF}{'I' if head & 0x8000 else 'H'}", picks, 2)
    return {'picks': [[papers[rank], ''] for rank in ranks], 'left_out': 0}

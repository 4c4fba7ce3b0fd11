"""search

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from digest.papers.search.index import index_all
from digest.papers.search.tables import ADDITIONS


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('paper_words',
    sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('paper_id', sa.String(length=80), nullable=False),
    sa.Column('made_of', sa.String(length=32), nullable=False),
    sa.Column('words', sa.Text().with_variant(postgresql.TSVECTOR(), 'postgresql'), nullable=False),
    sa.ForeignKeyConstraint(['paper_id'], ['papers.id'], name=op.f('fk_paper_words_paper_id_papers'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_paper_words')),
    sa.UniqueConstraint('paper_id', name=op.f('uq_paper_words_paper_id')),
    sqlite_autoincrement=True
    )
    connection = op.get_bind()
    for statement in ADDITIONS[connection.dialect.name]:
        op.execute(sa.DDL(statement))
    index_all(connection)


def downgrade() -> None:
    op.drop_table('paper_words')
    if op.get_bind().dialect.name == 'sqlite':
        op.execute('DROP TABLE paper_index')

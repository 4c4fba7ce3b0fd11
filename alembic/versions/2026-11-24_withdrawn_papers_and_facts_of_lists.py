"""withdrawn papers and facts of lists

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from alembic import op


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

json = sa.JSON().with_variant(JSONB(), 'postgresql')


def upgrade() -> None:
    with op.batch_alter_table('papers', schema=None) as batch_op:
        batch_op.add_column(sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(batch_op.f('ix_papers_listed_at'), ['listed_at'], unique=False)
    with op.batch_alter_table('collections', schema=None) as batch_op:
        batch_op.add_column(sa.Column('facts', json, nullable=False, server_default='{}'))
        batch_op.create_index('ix_collections_source_day', ['source', 'day'], unique=False)
    with op.batch_alter_table('issue_papers', schema=None) as batch_op:
        batch_op.add_column(sa.Column('late_days', sa.Integer(), nullable=False, server_default='0'))
    op.execute("UPDATE collections SET outcome = 'fresh' WHERE outcome = 'unchanged'")
    with op.batch_alter_table('collections', schema=None) as batch_op:
        batch_op.alter_column('facts', server_default=None)
    with op.batch_alter_table('issue_papers', schema=None) as batch_op:
        batch_op.alter_column('late_days', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('collections', schema=None) as batch_op:
        batch_op.drop_index('ix_collections_source_day')
        batch_op.drop_column('facts')
    with op.batch_alter_table('issue_papers', schema=None) as batch_op:
        batch_op.drop_column('late_days')
    with op.batch_alter_table('papers', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_papers_listed_at'))
        batch_op.drop_column('withdrawn_at')

"""who withdrew a paper

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op


revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None


def upgrade() -> None:
    code = sa.String(length=40).with_variant(sa.String(length=40, collation='C'), 'postgresql')
    op.add_column('papers', sa.Column('withdrawn_by', code, nullable=True))
    # arXiv's words were misread most often; a paper that another source withdrew is withdrawn by it again.
    op.execute("UPDATE papers SET withdrawn_by = 'arxiv' WHERE withdrawn_at IS NOT NULL")


def downgrade() -> None:
    with op.batch_alter_table('papers', schema=None) as batch_op:
        batch_op.drop_column('withdrawn_by')

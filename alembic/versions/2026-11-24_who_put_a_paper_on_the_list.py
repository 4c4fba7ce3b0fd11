"""who put a paper on the list

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op


revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('papers') as batch_op:
        batch_op.add_column(sa.Column('submitter', sa.Text(), nullable=False, server_default=''))
    with op.batch_alter_table('papers') as batch_op:
        batch_op.alter_column('submitter', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('papers') as batch_op:
        batch_op.drop_column('submitter')

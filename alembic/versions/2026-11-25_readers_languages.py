"""readers' languages

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

# SQLite copies the table, and would forget that the numbers of erased readers are never given again.
_NUMBERED = {'sqlite_autoincrement': True}


def upgrade() -> None:
    with op.batch_alter_table('subscribers', schema=None, table_kwargs=_NUMBERED) as batch_op:
        batch_op.add_column(sa.Column('language', sa.String(length=20), nullable=False, server_default=''))
    with op.batch_alter_table('subscribers', schema=None, table_kwargs=_NUMBERED) as batch_op:
        batch_op.alter_column('language', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('subscribers', schema=None, table_kwargs=_NUMBERED) as batch_op:
        batch_op.drop_column('language')

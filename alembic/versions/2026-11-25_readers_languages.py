"""readers' languages

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op


revision = '0010'
down_revision = '0009'
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

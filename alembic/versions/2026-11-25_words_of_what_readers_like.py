"""words of what readers like

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql')


def upgrade() -> None:
    with op.batch_alter_table('tastes', schema=None) as batch_op:
        batch_op.add_column(sa.Column('words', _JSON, nullable=False, server_default='[]'))
    with op.batch_alter_table('tastes', schema=None) as batch_op:
        batch_op.alter_column('words', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('tastes', schema=None) as batch_op:
        batch_op.drop_column('words')

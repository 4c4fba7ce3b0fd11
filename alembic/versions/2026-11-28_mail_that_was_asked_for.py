"""mail that was asked for

Revision ID: 0019
Revises: 0018
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None


def upgrade() -> None:
    json = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')
    op.create_table(
        'sent_requests',
        sa.Column('since', sa.DateTime(timezone=True), nullable=False),
        sa.Column('mails', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('since', name=op.f('pk_sent_requests')),
    )
    with op.batch_alter_table('pauses') as batch_op:
        batch_op.add_column(sa.Column('refusing', json, nullable=False, server_default='[]'))
    with op.batch_alter_table('pauses') as batch_op:
        batch_op.alter_column('refusing', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('pauses') as batch_op:
        batch_op.drop_column('refusing')
    op.drop_table('sent_requests')

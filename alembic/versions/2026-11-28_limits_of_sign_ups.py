"""limits of sign-ups

Creates the table of addresses that reach the same mailbox, which is limited as one, and the token buckets shared by all
web processes.

Revision ID: 0017
Revises: 0016
"""

import sqlalchemy as sa
from alembic import op


revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    code = sa.String(32, collation=collation)
    op.create_table(
        'spellings',
        sa.Column('recipient', code, nullable=False),
        sa.Column('mailbox', code, nullable=False),
        sa.PrimaryKeyConstraint('recipient', name=op.f('pk_spellings')),
    )
    op.create_index(op.f('ix_spellings_mailbox'), 'spellings', ['mailbox'])
    op.create_table(
        'buckets',
        sa.Column('key', code, nullable=False),
        sa.Column('full_at', sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint('key', name=op.f('pk_buckets')),
    )


def downgrade() -> None:
    op.drop_table('buckets')
    op.drop_table('spellings')

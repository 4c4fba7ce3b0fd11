"""alarms

Each problem is announced once by one of the processes, and its end.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op


revision = '0023'
down_revision = '0022'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    op.create_table(
        'alarms',
        sa.Column('name', sa.String(40, collation=collation), nullable=False),
        sa.Column('subject', sa.String(120, collation=collation), nullable=False),
        sa.Column('level', sa.String(10, collation=collation), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('remedy', sa.Text(), nullable=False),
        sa.Column('since', sa.DateTime(timezone=True), nullable=False),
        sa.Column('announced', sa.String(10, collation=collation), nullable=False),
        sa.Column('claimed_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('name', 'subject', name=op.f('pk_alarms')),
    )


def downgrade() -> None:
    op.drop_table('alarms')

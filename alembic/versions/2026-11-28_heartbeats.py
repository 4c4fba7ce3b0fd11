"""heartbeats

Each process leaves signs of life, and the deliveries of an issue that ended without a message are counted at once.

Revision ID: 0021
Revises: 0020
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0021'
down_revision = '0020'
branch_labels = None
depends_on = None

UNSENT = sa.text("state IN ('refused', 'expired', 'skipped', 'quarantined')")


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    op.create_table(
        'heartbeats',
        sa.Column('role', sa.String(10, collation=collation), nullable=False),
        sa.Column('host', sa.String(64, collation=collation), nullable=False),
        sa.Column('pid', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('stopped_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('version', sa.String(40, collation=collation), nullable=False),
        sa.Column('detail', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
        sa.CheckConstraint("role IN ('worker', 'scheduler', 'web')", name=op.f('ck_heartbeats_role')),
        sa.PrimaryKeyConstraint('role', 'host', 'pid', name=op.f('pk_heartbeats')),
    )
    op.create_index(
        'ix_deliveries_unsent',
        'deliveries',
        ['state', 'issue_id', 'reason'],
        postgresql_where=UNSENT,
        sqlite_where=UNSENT,
    )


def downgrade() -> None:
    op.drop_index('ix_deliveries_unsent', table_name='deliveries', postgresql_where=UNSENT, sqlite_where=UNSENT)
    op.drop_table('heartbeats')

"""backups

Adds a row for each backup, by which a restored database knows what it may not send.

Revision ID: 0035
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0035'
down_revision = '0034'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    json = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')
    op.create_table(
        'backups',
        sa.Column('id', sa.String(32, collation=collation), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('keys', json, nullable=False),
        sa.Column('hosts', json, nullable=False),
        sa.Column('version', sa.String(40, collation=collation), nullable=False),
        sa.Column('restored_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('uncovered', sa.Text(), nullable=False),
        sa.Column('paused', json, nullable=False),
        sa.Column('settled_at', sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_backups')),
    )


def downgrade() -> None:
    op.drop_table('backups')

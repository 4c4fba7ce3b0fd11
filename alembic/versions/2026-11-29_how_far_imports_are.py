"""how far imports are

Adds how far each import of a list is that has not ended, so that it goes on after an interruption.

Revision ID: 0034
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0034'
down_revision = '0033'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    op.create_table(
        'imports',
        sa.Column('name', sa.String(64, collation=collation), nullable=False),
        sa.Column('begun_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('rows', sa.Integer(), nullable=False),
        sa.Column('counts', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_imports')),
    )


def downgrade() -> None:
    op.drop_table('imports')

"""requests typed into a form

Each waits here from its answer until it is carried out.

Revision ID: 0020
Revises: 0019
"""

import sqlalchemy as sa
from alembic import op


revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    op.create_table(
        'form_requests',
        sa.Column('id', sa.String(32, collation=collation), nullable=False),
        sa.Column('kind', sa.String(20, collation=collation), nullable=False),
        sa.Column('email', sa.String(254, collation=collation), nullable=False),
        sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('requested_from', sa.String(64, collation=collation), nullable=False),
        sa.Column('form', sa.String(40, collation=collation), nullable=False),
        sa.Column('zone', sa.String(64, collation=collation), nullable=False),
        sa.Column('language', sa.String(20, collation=collation), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_form_requests')),
    )


def downgrade() -> None:
    op.drop_table('form_requests')

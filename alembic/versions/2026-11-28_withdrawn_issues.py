"""withdrawn issues, and the person behind a pause

A withdrawn issue is neither sent nor shown. A pause by hand names the operator.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op


revision = '0024'
down_revision = '0023'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    op.add_column('issues', sa.Column('withdrawn_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('pauses', sa.Column('by', sa.String(80, collation=collation), nullable=True))


def downgrade() -> None:
    op.drop_column('pauses', 'by')
    op.drop_column('issues', 'withdrawn_at')

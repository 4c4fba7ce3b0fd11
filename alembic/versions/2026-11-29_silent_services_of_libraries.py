"""silent services of libraries

Adds the DOIs of a library's entries, and when a service that did not answer is asked again.

Revision ID: 0041
Revises: 0040
"""

import sqlalchemy as sa
from alembic import op


revision = '0041'
down_revision = '0040'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    instant = sa.DateTime(timezone=True)
    with op.batch_alter_table('library_entries') as batch_op:
        batch_op.add_column(sa.Column('doi', sa.String(200, collation=collation), server_default='', nullable=False))
        batch_op.add_column(sa.Column('tried_at', instant, nullable=True))
    with op.batch_alter_table('library_entries') as batch_op:
        batch_op.alter_column('doi', server_default=None)
    op.create_table(
        'library_pauses',
        sa.Column('service', sa.String(20, collation=collation), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('until', instant, nullable=False),
        sa.PrimaryKeyConstraint('service', name=op.f('pk_library_pauses')),
    )


def downgrade() -> None:
    op.drop_table('library_pauses')
    with op.batch_alter_table('library_entries') as batch_op:
        batch_op.drop_column('tried_at')
        batch_op.drop_column('doi')

"""totals of finished issues, and counts of replies

Revision ID: 0022
Revises: 0021
"""

import sqlalchemy as sa
from alembic import op


revision = '0022'
down_revision = '0021'
branch_labels = None
depends_on = None

REQUESTED = sa.text('issue_id IS NULL')


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    number = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    op.create_table(
        'issue_totals',
        sa.Column('issue_id', number, nullable=False),
        sa.Column('state', sa.String(20, collation=collation), nullable=False),
        sa.Column('reason', sa.String(80, collation=collation), nullable=False),
        sa.Column('deliveries', sa.Integer(), nullable=False),
        sa.Column('last_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ['issue_id'], ['issues.id'], name=op.f('fk_issue_totals_issue_id_issues'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('issue_id', 'state', 'reason', name=op.f('pk_issue_totals')),
    )
    op.create_table(
        'destinations',
        sa.Column('domain', sa.String(254, collation=collation), nullable=False),
        sa.Column('subscribers', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('domain', name=op.f('pk_destinations')),
    )
    op.create_table(
        'reply_counts',
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('domain', sa.String(254, collation=collation), nullable=False),
        sa.Column('reply', sa.String(4, collation=collation), nullable=False),
        sa.Column('replies', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('day', 'domain', 'reply', name=op.f('pk_reply_counts')),
    )
    op.create_index(
        'ix_deliveries_requested',
        'deliveries',
        ['kind', 'state', 'reason', 'attempts'],
        postgresql_where=REQUESTED,
        sqlite_where=REQUESTED,
    )


def downgrade() -> None:
    op.drop_index('ix_deliveries_requested', 'deliveries', postgresql_where=REQUESTED, sqlite_where=REQUESTED)
    for table in ('reply_counts', 'destinations', 'issue_totals'):
        op.drop_table(table)

"""what bounces

Adds reports about messages that bounced after they were accepted, the scores of failing addresses, the counts of
reports, and what freezes automatic suppression; and the source and end of each suppression.

Revision ID: 0032
Revises: 0031
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0032'
down_revision = '0031'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    number = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    instant = sa.DateTime(timezone=True)

    def code(length: int) -> sa.String:
        return sa.String(length, collation=collation)

    def partial(name: str, table: str, columns: list[str], where: str) -> None:
        condition = sa.text(where)
        op.create_index(name, table, columns, postgresql_where=condition, sqlite_where=condition)

    op.create_table(
        'bounces',
        sa.Column('id', number, nullable=False),
        sa.Column('at', instant, nullable=False),
        sa.Column('delivery_id', number, nullable=False),
        sa.Column('recipient', code(32), nullable=False),
        sa.Column('subscriber_id', number, nullable=True),
        sa.Column('kind', code(10), nullable=False),
        sa.Column('status', code(12), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('reporter', code(120), nullable=False),
        sa.Column('way', code(20), nullable=False),
        sa.Column('effect', code(20), nullable=False),
        sa.CheckConstraint("kind IN ('hard', 'soft', 'complaint')", name=op.f('ck_bounces_kind')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_bounces')),
        sa.UniqueConstraint('delivery_id', 'kind', name=op.f('uq_bounces_delivery_id_kind')),
        sqlite_autoincrement=True,
    )
    op.create_index('ix_bounces_at', 'bounces', ['at'])
    partial('ix_bounces_late', 'bounces', ['at', 'id', 'kind', 'status'], "way <> 'smtp'")
    op.create_index('ix_bounces_recipient', 'bounces', ['recipient', 'id'])
    partial('ix_bounces_held', 'bounces', ['id'], "effect = 'held'")
    op.create_table(
        'failing',
        sa.Column('recipient', code(32), nullable=False),
        sa.Column('score', sa.Double(), nullable=False),
        sa.Column('scored_on', sa.Date(), nullable=False),
        sa.Column('first_look_at', instant, nullable=True),
        sa.PrimaryKeyConstraint('recipient', name=op.f('pk_failing')),
    )
    op.create_index('ix_failing_scored', 'failing', ['scored_on'])
    op.create_table(
        'bounce_counts',
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('kind', code(10), nullable=False),
        sa.Column('about', code(10), nullable=False),
        sa.Column('proof', code(10), nullable=False),
        sa.Column('reports', sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint('day', 'kind', 'about', 'proof', name=op.f('pk_bounce_counts')),
    )
    op.create_table(
        'suppression_guard',
        sa.Column('id', sa.Integer(), autoincrement=False, nullable=False),
        sa.Column('frozen_at', instant, nullable=True),
        sa.Column('why', sa.Text(), nullable=False),
        sa.Column('counts', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
        sa.Column('domain', code(254), nullable=False),
        sa.Column('in_a_row', sa.Integer(), nullable=False),
        sa.Column('failed_at', instant, nullable=True),
        sa.Column('subscribers', sa.Integer(), nullable=False),
        sa.Column('counted_at', instant, nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_suppression_guard')),
    )
    op.add_column('suppressions', sa.Column('source', code(20), server_default='', nullable=False))
    op.add_column('suppressions', sa.Column('expires_at', instant, nullable=True))
    with op.batch_alter_table('suppressions') as table:
        table.alter_column('source', server_default=None)
    partial('ix_suppressions_expiring', 'suppressions', ['expires_at'], 'expires_at IS NOT NULL')


def downgrade() -> None:
    op.drop_index('ix_suppressions_expiring', 'suppressions')
    with op.batch_alter_table('suppressions') as table:
        table.drop_column('expires_at')
        table.drop_column('source')
    op.drop_table('suppression_guard')
    op.drop_table('bounce_counts')
    op.drop_table('failing')
    op.drop_table('bounces')

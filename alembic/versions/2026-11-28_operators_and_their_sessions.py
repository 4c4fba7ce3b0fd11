"""operators and their sessions

Adds the people who may use the console. Adds indexes of events that people caused, of addresses by their beginning,
and of the newest suppressions.

Revision ID: 0025
Revises: 0024
"""

import sqlalchemy as sa
from alembic import op


revision = '0025'
down_revision = '0024'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    op.create_table(
        'operators',
        sa.Column('name', sa.String(60, collation=collation), nullable=False),
        sa.Column('role', sa.String(10, collation=collation), nullable=False),
        sa.Column('added_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('link_hash', sa.String(64, collation=collation), nullable=True),
        sa.Column('link_until', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("role IN ('viewer', 'operator')", name=op.f('ck_operators_role')),
        sa.PrimaryKeyConstraint('name', name=op.f('pk_operators')),
        sa.UniqueConstraint('link_hash', name=op.f('uq_operators_link_hash')),
    )
    op.create_table(
        'sessions',
        sa.Column('hash', sa.String(64, collation=collation), nullable=False),
        sa.Column('operator', sa.String(60, collation=collation), nullable=False),
        sa.Column('started_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['operator'], ['operators.name'], name=op.f('fk_sessions_operator_operators'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('hash', name=op.f('pk_sessions')),
    )
    op.create_index(op.f('ix_sessions_operator'), 'sessions', ['operator'], unique=False)
    op.create_index('ix_suppressions_created', 'suppressions', ['created_at', 'key'], unique=False)
    op.create_index(op.f('ix_subscribers_email'), 'subscribers', ['email'], unique=False)
    op.create_index(
        'ix_events_by_people',
        'events',
        ['id'],
        unique=False,
        postgresql_where=sa.text("(detail ->> 'through') IS NOT NULL"),
        sqlite_where=sa.text("json_extract(detail, '$.through') IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index('ix_suppressions_created', table_name='suppressions')
    op.drop_index(op.f('ix_subscribers_email'), table_name='subscribers')
    op.drop_index('ix_events_by_people', table_name='events')
    op.drop_index(op.f('ix_sessions_operator'), table_name='sessions')
    op.drop_table('sessions')
    op.drop_table('operators')

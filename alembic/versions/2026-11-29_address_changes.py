"""changes of address

Adds the requests of subscribers to change their address.

Revision ID: 0039
Revises: 0038
"""

import sqlalchemy as sa
from alembic import op


revision = '0039'
down_revision = '0038'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    number = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    instant = sa.DateTime(timezone=True)

    def code(length: int) -> sa.String:
        return sa.String(length, collation=collation)

    op.create_table(
        'address_changes',
        sa.Column('id', number, nullable=False),
        sa.Column('subscriber_id', number),
        sa.Column('old_email', code(254), nullable=False),
        sa.Column('new_email', code(254), nullable=False),
        sa.Column('old_key', code(32), nullable=False),
        sa.Column('new_key', code(32), nullable=False),
        sa.Column('requested_at', instant, nullable=False),
        sa.Column('requested_from', code(64), nullable=False),
        sa.Column('form', code(40), nullable=False),
        sa.Column('asked_at', instant),
        sa.Column('old_confirmed_at', instant),
        sa.Column('new_confirmed_at', instant),
        sa.Column('confirmed_from', code(64), nullable=False),
        sa.Column('changed_at', instant),
        sa.Column('ended_at', instant),
        sa.ForeignKeyConstraint(
            ['subscriber_id'], ['subscribers.id'],
            name=op.f('fk_address_changes_subscriber_id_subscribers'), ondelete='SET NULL',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_address_changes')),
        sqlite_autoincrement=True,
    )
    for column in ('subscriber_id', 'old_key', 'new_key'):
        op.create_index(op.f(f'ix_address_changes_{column}'), 'address_changes', [column])
    is_open = sa.text('changed_at IS NULL AND ended_at IS NULL')
    op.create_index(
        'ix_address_changes_open', 'address_changes', ['requested_at'], postgresql_where=is_open, sqlite_where=is_open
    )


def downgrade() -> None:
    op.drop_table('address_changes')

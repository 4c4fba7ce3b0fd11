"""libraries

Adds the libraries that subscribers bring, the papers behind them, and how many of a profile's liked papers are from one.

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0037'
down_revision = '0036'
branch_labels = None
depends_on = None


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == 'postgresql'
    collation = 'C' if is_postgresql else None
    number = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    instant = sa.DateTime(timezone=True)

    def code(length: int) -> sa.String:
        return sa.String(length, collation=collation)

    op.create_table(
        'library_entries',
        sa.Column('id', number, nullable=False),
        sa.Column('subscriber_id', number, nullable=False),
        sa.Column('name', code(80), nullable=False),
        sa.Column('title', sa.Text(), nullable=False),
        sa.Column('abstract', sa.Text(), nullable=False),
        sa.Column('paper_id', code(80), nullable=True),
        sa.Column('state', code(10), nullable=False),
        sa.Column('problem', code(20), nullable=False),
        sa.Column('at', instant, nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'matched', 'missing')", name=op.f('ck_library_entries_state')),
        sa.ForeignKeyConstraint(
            ['subscriber_id'], ['subscribers.id'],
            name=op.f('fk_library_entries_subscriber_id_subscribers'), ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_library_entries')),
        sa.UniqueConstraint('subscriber_id', 'name', name=op.f('uq_library_entries_subscriber_id_name')),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f('ix_library_entries_paper_id'), 'library_entries', ['paper_id'])
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        'ix_library_entries_waiting', 'library_entries', ['subscriber_id', 'id'],
        postgresql_where=waiting, sqlite_where=waiting,
    )
    op.create_table(
        'library_papers',
        sa.Column('id', code(80), nullable=False),
        sa.Column('title', sa.Text(), nullable=False),
        sa.Column('abstract', sa.Text(), nullable=False),
        sa.Column('categories', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_library_papers')),
    )
    op.create_table(
        'zotero_libraries',
        sa.Column('subscriber_id', number, nullable=False),
        sa.Column('user_id', code(20), nullable=False),
        sa.Column('next_item', sa.Integer(), nullable=False),
        sa.Column('state', code(10), nullable=False),
        sa.Column('at', instant, nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'read', 'failed')", name=op.f('ck_zotero_libraries_state')),
        sa.ForeignKeyConstraint(
            ['subscriber_id'], ['subscribers.id'],
            name=op.f('fk_zotero_libraries_subscriber_id_subscribers'), ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('subscriber_id', name=op.f('pk_zotero_libraries')),
    )
    with op.batch_alter_table('profiles') as batch_op:
        batch_op.add_column(sa.Column('from_library', sa.Integer(), server_default='0', nullable=False))
    with op.batch_alter_table('profiles') as batch_op:
        batch_op.alter_column('from_library', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('profiles') as batch_op:
        batch_op.drop_column('from_library')
    op.drop_table('zotero_libraries')
    op.drop_table('library_papers')
    op.drop_table('library_entries')

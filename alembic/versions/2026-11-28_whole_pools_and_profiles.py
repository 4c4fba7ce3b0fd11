"""whole pools and profiles

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

_NUMBERED = {'sqlite_autoincrement': True}


def upgrade() -> None:
    instant, collation = sa.DateTime(timezone=True), 'C' if op.get_bind().dialect.name == 'postgresql' else None
    number = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    json = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')

    def code(length):
        return sa.String(length, collation=collation)

    op.create_table(
        'pools',
        sa.Column('issue_id', number, nullable=False),
        sa.Column('content', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ['issue_id'], ['issues.id'], name=op.f('fk_pools_issue_id_issues'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('issue_id', name=op.f('pk_pools')),
    )
    op.create_table(
        'cards',
        sa.Column('issue_id', number, nullable=False),
        sa.Column('language', code(20), nullable=False),
        sa.Column('paper_id', code(80), nullable=False),
        sa.Column('content', sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ['issue_id'], ['issues.id'], name=op.f('fk_cards_issue_id_issues'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('issue_id', 'language', 'paper_id', name=op.f('pk_cards')),
    )
    op.create_table(
        'spaces',
        sa.Column('id', number, nullable=False),
        sa.Column('fitted_at', instant, nullable=False),
        sa.Column('papers', sa.Integer(), nullable=False),
        sa.Column('ready_at', instant, nullable=True),
        sa.Column('spectrum', sa.LargeBinary(), nullable=False),
        sa.Column('content', sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_spaces')),
        **_NUMBERED,
    )
    op.create_table(
        'paper_vectors',
        sa.Column('space_id', number, nullable=False),
        sa.Column('paper_id', code(80), nullable=False),
        sa.Column('letters', sa.Integer(), nullable=False),
        sa.Column('vector', sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ['space_id'], ['spaces.id'], name=op.f('fk_paper_vectors_space_id_spaces'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('space_id', 'paper_id', name=op.f('pk_paper_vectors')),
    )
    op.create_table(
        'profiles',
        sa.Column('space_id', number, nullable=False),
        sa.Column('subscriber_id', number, nullable=False),
        sa.Column('weights', sa.LargeBinary(), nullable=False),
        sa.Column('liked', sa.Text(), nullable=False),
        sa.Column('shares', sa.LargeBinary(), nullable=False),
        sa.Column('words', json, nullable=False),
        sa.Column('computed_at', instant, nullable=False),
        sa.ForeignKeyConstraint(
            ['space_id'], ['spaces.id'], name=op.f('fk_profiles_space_id_spaces'), ondelete='CASCADE'
        ),
        sa.ForeignKeyConstraint(
            ['subscriber_id'], ['subscribers.id'], name=op.f('fk_profiles_subscriber_id_subscribers'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('space_id', 'subscriber_id', name=op.f('pk_profiles')),
    )
    op.create_index(op.f('ix_profiles_subscriber_id'), 'profiles', ['subscriber_id'])
    op.create_table(
        'stale_profiles',
        sa.Column('subscriber_id', number, nullable=False),
        sa.ForeignKeyConstraint(
            ['subscriber_id'],
            ['subscribers.id'],
            name=op.f('fk_stale_profiles_subscriber_id_subscribers'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('subscriber_id', name=op.f('pk_stale_profiles')),
    )
    op.add_column('issues', sa.Column('space_id', number, nullable=True))
    with op.batch_alter_table('subscribers', table_kwargs=_NUMBERED) as batch_op:
        batch_op.add_column(sa.Column('balance', code(10), nullable=False, server_default='both'))
        batch_op.add_column(sa.Column('full_lists', sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table('subscribers', table_kwargs=_NUMBERED) as batch_op:
        for name in ('balance', 'full_lists'):
            batch_op.alter_column(name, server_default=None)
        batch_op.create_check_constraint(batch_op.f('ck_subscribers_balance'), "balance IN ('best', 'both', 'mine')")


def downgrade() -> None:
    with op.batch_alter_table('subscribers', table_kwargs=_NUMBERED) as batch_op:
        batch_op.drop_constraint(batch_op.f('ck_subscribers_balance'), type_='check')
        for name in ('full_lists', 'balance'):
            batch_op.drop_column(name)
    op.drop_column('issues', 'space_id')
    for name in ('stale_profiles', 'profiles', 'paper_vectors', 'spaces', 'cards', 'pools'):
        op.drop_table(name)

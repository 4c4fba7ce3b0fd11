"""what readers say

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql')
# SQLite copies the table, and would forget that the numbers of erased readers are never given again.
_NUMBERED = {'sqlite_autoincrement': True}
_LISTS = ('categories', 'authors', 'labs', 'muted_topics', 'muted_words')


def upgrade() -> None:
    op.create_table('opinions',
    sa.Column('subscriber_id', _ID, nullable=False),
    sa.Column('paper_id', sa.String(length=80), nullable=False),
    sa.Column('said', sa.String(length=10), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.CheckConstraint("said IN ('more', 'less', 'read')", name=op.f('ck_opinions_said')),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscribers.id'], name=op.f('fk_opinions_subscriber_id_subscribers'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('subscriber_id', 'paper_id', name=op.f('pk_opinions')),
    sqlite_autoincrement=False
    )
    op.create_table('reader_votes',
    sa.Column('paper_id', sa.String(length=80), nullable=False),
    sa.Column('recipient', sa.String(length=32), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['paper_id'], ['papers.id'], name=op.f('fk_reader_votes_paper_id_papers'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('paper_id', 'recipient', name=op.f('pk_reader_votes')),
    sqlite_autoincrement=False
    )
    op.create_table('suggestions',
    sa.Column('paper_id', sa.String(length=80), nullable=False),
    sa.Column('recipient', sa.String(length=32), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('message', sa.Text(), nullable=False),
    sa.CheckConstraint("state IN ('waiting', 'listed', 'refused')", name=op.f('ck_suggestions_state')),
    sa.PrimaryKeyConstraint('paper_id', name=op.f('pk_suggestions')),
    sqlite_autoincrement=False
    )
    op.create_index(op.f('ix_suggestions_recipient'), 'suggestions', ['recipient'], unique=False)
    with op.batch_alter_table('subscribers', schema=None, table_kwargs=_NUMBERED) as batch_op:
        for name in _LISTS:
            batch_op.add_column(sa.Column(name, _JSON, nullable=False, server_default='[]'))
        batch_op.add_column(sa.Column('surprise', sa.Boolean(), nullable=False, server_default=sa.true()))
        batch_op.add_column(sa.Column('frequency', sa.String(length=10), nullable=False, server_default='daily'))

    # Who chose "once a week" until now has one weekday.
    op.execute("UPDATE subscribers SET frequency = 'weekly' WHERE weekdays IN (1, 2, 4, 8, 16, 32, 64)")
    with op.batch_alter_table('subscribers', schema=None, table_kwargs=_NUMBERED) as batch_op:
        for name in (*_LISTS, 'surprise', 'frequency'):
            batch_op.alter_column(name, server_default=None)
        batch_op.create_check_constraint(batch_op.f('ck_subscribers_frequency'), "frequency IN ('daily', 'weekly')")


def downgrade() -> None:
    with op.batch_alter_table('subscribers', schema=None, table_kwargs=_NUMBERED) as batch_op:
        batch_op.drop_constraint(batch_op.f('ck_subscribers_frequency'), type_='check')
        for name in ('frequency', 'surprise', *reversed(_LISTS)):
            batch_op.drop_column(name)
    op.drop_index(op.f('ix_suggestions_recipient'), table_name='suggestions')
    op.drop_table('suggestions')
    op.drop_table('reader_votes')
    op.drop_table('opinions')

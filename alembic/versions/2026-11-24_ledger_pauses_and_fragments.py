"""ledger pauses and fragments

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op


revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('pauses',
    sa.Column('scope', sa.String(length=254), nullable=False),
    sa.Column('since', sa.DateTime(timezone=True), nullable=False),
    sa.Column('until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('scope', name=op.f('pk_pauses')),
    sqlite_autoincrement=False
    )
    op.create_table('sent_days',
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('mails', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('day', name=op.f('pk_sent_days')),
    sqlite_autoincrement=False
    )
    op.create_table('fragments',
    sa.Column('issue_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('language', sa.String(length=20), nullable=False),
    sa.Column('content', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['issue_id'], ['issues.id'], name=op.f('fk_fragments_issue_id_issues'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('issue_id', 'language', name=op.f('pk_fragments')),
    sqlite_autoincrement=False
    )
    op.create_table('messages',
    sa.Column('delivery_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
    sa.Column('content', sa.LargeBinary(), nullable=False),
    sa.ForeignKeyConstraint(['delivery_id'], ['deliveries.id'], name=op.f('fk_messages_delivery_id_deliveries'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('delivery_id', name=op.f('pk_messages')),
    sqlite_autoincrement=False
    )
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.add_column(sa.Column('in_doubt', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.drop_index(batch_op.f('ix_deliveries_issue_state'))
        batch_op.drop_index('ix_deliveries_due', postgresql_where=sa.text("state IN ('queued', 'uncertain')"), sqlite_where=sa.text("state IN ('queued', 'uncertain')"))
        batch_op.drop_index(batch_op.f('ix_deliveries_leased'), sqlite_where=sa.text("state IN ('claimed', 'sending')"))
        batch_op.drop_index(batch_op.f('ix_deliveries_recipient'))
        batch_op.drop_constraint(batch_op.f('uq_deliveries_kind_occasion_recipient'), type_='unique')
        batch_op.drop_constraint(batch_op.f('fk_deliveries_issue_id_issues'), type_='foreignkey')
        batch_op.create_index('ix_deliveries_due', ['next_attempt_at', 'id'], unique=False, postgresql_where=sa.text("state IN ('queued', 'uncertain') AND issue_id IS NOT NULL"), sqlite_where=sa.text("state IN ('queued', 'uncertain') AND issue_id IS NOT NULL"))
        batch_op.create_index('ix_deliveries_asked_for', ['next_attempt_at', 'id'], unique=False, postgresql_where=sa.text("state IN ('queued', 'uncertain') AND issue_id IS NULL"), sqlite_where=sa.text("state IN ('queued', 'uncertain') AND issue_id IS NULL"))
        batch_op.create_index('ix_deliveries_held', ['worker'], unique=False, postgresql_where=sa.text("state IN ('claimed', 'sending')"), sqlite_where=sa.text("state IN ('claimed', 'sending')"))
        batch_op.create_index('ix_deliveries_issue', ['issue_id'], unique=False)
        batch_op.create_unique_constraint(batch_op.f('uq_deliveries_recipient_kind_occasion'), ['recipient', 'kind', 'occasion'])

    op.execute("UPDATE deliveries SET in_doubt = true WHERE sha256 <> '' AND state IN ('claimed', 'uncertain')")
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.alter_column('in_doubt', server_default=None)


def downgrade() -> None:
    with op.batch_alter_table('deliveries', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('uq_deliveries_recipient_kind_occasion'), type_='unique')
        batch_op.drop_index('ix_deliveries_issue')
        batch_op.drop_column('in_doubt')
        batch_op.create_foreign_key(batch_op.f('fk_deliveries_issue_id_issues'), 'issues', ['issue_id'], ['id'], ondelete='RESTRICT')
        batch_op.drop_index('ix_deliveries_due', postgresql_where=sa.text("state IN ('queued', 'uncertain') AND issue_id IS NOT NULL"), sqlite_where=sa.text("state IN ('queued', 'uncertain') AND issue_id IS NOT NULL"))
        batch_op.drop_index('ix_deliveries_held', postgresql_where=sa.text("state IN ('claimed', 'sending')"), sqlite_where=sa.text("state IN ('claimed', 'sending')"))
        batch_op.drop_index('ix_deliveries_asked_for', postgresql_where=sa.text("state IN ('queued', 'uncertain') AND issue_id IS NULL"), sqlite_where=sa.text("state IN ('queued', 'uncertain') AND issue_id IS NULL"))
        batch_op.create_unique_constraint(batch_op.f('uq_deliveries_kind_occasion_recipient'), ['kind', 'occasion', 'recipient'])
        batch_op.create_index(batch_op.f('ix_deliveries_recipient'), ['recipient'], unique=False)
        batch_op.create_index(batch_op.f('ix_deliveries_leased'), ['lease_until'], unique=False, postgresql_where=sa.text("state IN ('claimed', 'sending')"), sqlite_where=sa.text("state IN ('claimed', 'sending')"))
        batch_op.create_index('ix_deliveries_due', ['next_attempt_at'], unique=False, postgresql_where=sa.text("state IN ('queued', 'uncertain')"), sqlite_where=sa.text("state IN ('queued', 'uncertain')"))
        batch_op.create_index(batch_op.f('ix_deliveries_issue_state'), ['issue_id', 'state'], unique=False)

    op.drop_table('messages')
    op.drop_table('fragments')
    op.drop_table('sent_days')
    op.drop_table('pauses')

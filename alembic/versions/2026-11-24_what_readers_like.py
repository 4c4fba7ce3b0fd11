"""what readers like

Revision ID: 0007
Revises: 0006
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), 'postgresql')


def upgrade() -> None:
    op.create_table('tastes',
    sa.Column('issue_id', _ID, nullable=False),
    sa.Column('subscriber_id', _ID, nullable=False),
    sa.Column('affinity', _JSON, nullable=False),
    sa.Column('kin', _JSON, nullable=False),
    sa.ForeignKeyConstraint(['issue_id'], ['issues.id'], name=op.f('fk_tastes_issue_id_issues'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subscriber_id'], ['subscribers.id'], name=op.f('fk_tastes_subscriber_id_subscribers'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('issue_id', 'subscriber_id', name=op.f('pk_tastes')),
    sqlite_autoincrement=False
    )
    op.create_index(op.f('ix_tastes_subscriber_id'), 'tastes', ['subscriber_id'], unique=False)


def downgrade() -> None:
    op.drop_index(op.f('ix_tastes_subscriber_id'), table_name='tastes')
    op.drop_table('tastes')

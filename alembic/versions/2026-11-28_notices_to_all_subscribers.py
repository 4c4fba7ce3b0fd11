"""notices to all subscribers

Adds the notices that operators write, and the address of an operator, to which a link to sign in is mailed.

Revision ID: 0031
Revises: 0030
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0031'
down_revision = '0030'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    json = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')
    op.create_table(
        'notices',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
        sa.Column('texts', json, nullable=False),
        sa.Column('by', sa.String(80, collation=collation), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('issue_id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=True),
        sa.ForeignKeyConstraint(['issue_id'], ['issues.id'], name=op.f('fk_notices_issue_id_issues')),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_notices')),
        sa.UniqueConstraint('issue_id', name=op.f('uq_notices_issue_id')),
    )
    op.add_column('operators', sa.Column('mailed_hash', sa.String(64, collation=collation), nullable=True))
    op.add_column('operators', sa.Column('mailed_until', sa.DateTime(timezone=True), nullable=True))
    op.add_column('operators', sa.Column('email', sa.String(254, collation=collation), nullable=True))
    with op.batch_alter_table('operators') as batch:
        batch.create_unique_constraint(op.f('uq_operators_mailed_hash'), ['mailed_hash'])


def downgrade() -> None:
    with op.batch_alter_table('operators') as batch:
        batch.drop_constraint(op.f('uq_operators_mailed_hash'), type_='unique')
    for name in ('email', 'mailed_until', 'mailed_hash'):
        op.drop_column('operators', name)
    op.drop_table('notices')

"""tokens of the api

Adds the tokens with which programs use the API. Lists subscribers with one status in the order of their numbers.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0027'
down_revision = '0026'
branch_labels = None
depends_on = None


def upgrade() -> None:
    dialect = op.get_bind().dialect.name
    collation = 'C' if dialect == 'postgresql' else None
    op.create_table(
        'api_tokens',
        sa.Column('id', sa.BigInteger().with_variant(sa.Integer(), 'sqlite'), nullable=False),
        sa.Column('name', sa.String(60, collation=collation), nullable=False),
        sa.Column('hash', sa.String(64, collation=collation), nullable=False),
        sa.Column('begins', sa.String(12, collation=collation), nullable=False),
        sa.Column('scopes', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
        sa.Column('created_by', sa.String(80, collation=collation), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_api_tokens')),
        sa.UniqueConstraint('name', name=op.f('uq_api_tokens_name')),
        sa.UniqueConstraint('hash', name=op.f('uq_api_tokens_hash')),
        sqlite_autoincrement=True,
    )
    op.drop_index('ix_subscribers_status', table_name='subscribers')
    op.create_index('ix_subscribers_status', 'subscribers', ['status', 'id'], unique=False)


def downgrade() -> None:
    op.drop_index('ix_subscribers_status', table_name='subscribers')
    op.create_index('ix_subscribers_status', 'subscribers', ['status'], unique=False)
    op.drop_table('api_tokens')

"""domain reports

Adds what receivers report about the domain as a whole: DMARC and TLS.

Revision ID: 0033
Revises: 0032
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0033'
down_revision = '0032'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    number = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    instant = sa.DateTime(timezone=True)
    json = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')
    op.create_table(
        'domain_reports',
        sa.Column('id', number, nullable=False),
        sa.Column('taken_in_at', instant, nullable=False),
        sa.Column('kind', sa.String(10, collation=collation), nullable=False),
        sa.Column('reporter', sa.Text(), nullable=False),
        sa.Column('report_id', sa.Text(), nullable=False),
        sa.Column('domain', sa.String(254, collation=collation), nullable=False),
        sa.Column('begins_at', instant, nullable=False),
        sa.Column('ends_at', instant, nullable=False),
        sa.Column('passed', sa.Integer(), nullable=False),
        sa.Column('failed', sa.Integer(), nullable=False),
        sa.Column('failures', json, nullable=False),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_domain_reports')),
        sa.UniqueConstraint(
            'kind', 'reporter', 'report_id', 'domain', name=op.f('uq_domain_reports_kind_reporter_report_id_domain')
        ),
        sqlite_autoincrement=True,
    )
    op.create_index('ix_domain_reports_ends_at', 'domain_reports', ['ends_at', 'id'])
    op.create_index('ix_domain_reports_domain', 'domain_reports', ['domain', 'ends_at'])


def downgrade() -> None:
    op.drop_table('domain_reports')

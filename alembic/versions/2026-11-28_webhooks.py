"""webhooks

Adds the endpoints of webhooks and the events for them, and when each issue was finished. Issues whose sums are stored
are finished already.

Revision ID: 0028
Revises: 0027
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql


revision = '0028'
down_revision = '0027'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    number = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')

    def code(length: int) -> sa.String:
        return sa.String(length, collation=collation)

    op.create_table(
        'webhook_endpoints',
        sa.Column('id', number, nullable=False),
        sa.Column('url', sa.Text(), nullable=False),
        sa.Column('description', sa.Text(), nullable=False),
        sa.Column('types', sa.Text(), nullable=False),
        sa.Column('salt', code(64), nullable=False),
        sa.Column('previous_salt', code(64), nullable=True),
        sa.Column('previous_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('created_by', code(80), nullable=False),
        sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('disabled_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('disabled_why', sa.Text(), nullable=False),
        sa.Column('failures', sa.Integer(), nullable=False),
        sa.Column('failing_since', sa.DateTime(timezone=True), nullable=True),
        sa.Column('resting_until', sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_endpoints')),
        sqlite_autoincrement=True,
    )
    op.create_table(
        'webhook_events',
        sa.Column('id', number, nullable=False),
        sa.Column('endpoint_id', number, nullable=False),
        sa.Column('webhook_id', code(40), nullable=False),
        sa.Column('type', code(40), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('subscriber_id', number, nullable=True),
        sa.Column('delivery_id', number, nullable=True),
        sa.Column('data', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
        sa.Column('state', code(10), nullable=False),
        sa.Column('attempts', sa.Integer(), nullable=False),
        sa.Column('next_attempt_at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
        sa.Column('attempted_at', sa.DateTime(timezone=True), nullable=True),
        sa.Column('status', sa.Integer(), nullable=True),
        sa.Column('answer', sa.Text(), nullable=False),
        sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name=op.f('ck_webhook_events_state')),
        sa.ForeignKeyConstraint(
            ['endpoint_id'],
            ['webhook_endpoints.id'],
            name=op.f('fk_webhook_events_endpoint_id_webhook_endpoints'),
            ondelete='CASCADE',
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_events')),
        sa.UniqueConstraint('webhook_id', 'endpoint_id', name=op.f('uq_webhook_events_webhook_id_endpoint_id')),
        sqlite_autoincrement=True,
    )
    op.create_index('ix_webhook_events_endpoint', 'webhook_events', ['endpoint_id', 'id'], unique=False)
    for name, columns, where in (
        ('due', ['endpoint_id', 'next_attempt_at', 'id'], "state = 'pending'"),
        ('failed', ['endpoint_id', 'at'], "state = 'failed'"),
        ('finished', ['finished_at'], 'finished_at IS NOT NULL'),
        ('subscriber', ['subscriber_id'], 'subscriber_id IS NOT NULL'),
    ):
        op.create_index(
            f'ix_webhook_events_{name}',
            'webhook_events',
            columns,
            unique=False,
            postgresql_where=sa.text(where),
            sqlite_where=sa.text(where),
        )
    op.add_column('issues', sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True))
    op.execute(
        'UPDATE issues SET finished_at = (SELECT coalesce(max(issue_totals.last_at), issues.cut_at) FROM issue_totals'
        ' WHERE issue_totals.issue_id = issues.id)'
        ' WHERE EXISTS (SELECT 1 FROM issue_totals WHERE issue_totals.issue_id = issues.id)'
    )


def downgrade() -> None:
    op.drop_column('issues', 'finished_at')
    op.drop_table('webhook_events')
    op.drop_table('webhook_endpoints')

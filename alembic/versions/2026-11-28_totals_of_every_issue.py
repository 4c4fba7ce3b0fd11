"""totals of every issue

Totals are kept by the transitions of deliveries, from the first on. Those of issues that have none are counted now.

Revision ID: 0026
Revises: 0025
"""

import sqlalchemy as sa
from alembic import op


revision = '0026'
down_revision = '0025'
branch_labels = None
depends_on = None

_AGAIN = sa.text("""state IN ('queued', 'uncertain') AND issue_id IS NOT NULL AND \
(state = 'uncertain' OR attempts > 0 OR next_attempt_at > due_at)""")
_COUNT = """
    INSERT INTO issue_totals (issue_id, part, state, reason, deliveries, last_at)
    SELECT issue_id, 1, state, CASE state WHEN 'skipped' THEN reason ELSE '' END, count(*), max(finished_at)
    FROM deliveries
    WHERE state IN ('accepted', 'refused', 'expired', 'skipped', 'quarantined')
        AND issue_id IN (SELECT id FROM issues WHERE id NOT IN (SELECT issue_id FROM issue_totals))
    GROUP BY issue_id, state, CASE state WHEN 'skipped' THEN reason ELSE '' END
"""
_SCHEDULE = """
    INSERT INTO issue_schedule (issue_id, at, deliveries)
    SELECT issue_id, next_attempt_at, count(*) FROM deliveries
    WHERE state IN ('queued', 'uncertain') AND issue_id IS NOT NULL AND state = 'queued' AND attempts = 0
        AND next_attempt_at <= due_at
    GROUP BY issue_id, next_attempt_at
"""


def upgrade() -> None:
    _make_totals(with_parts=True)
    op.execute("""
        INSERT INTO issue_totals (issue_id, part, state, reason, deliveries, last_at)
        SELECT issue_id, 0, state, CASE state WHEN 'skipped' THEN reason ELSE '' END, sum(deliveries), max(last_at)
        FROM earlier_totals WHERE state != 'uncertain'
        GROUP BY issue_id, state, CASE state WHEN 'skipped' THEN reason ELSE '' END
    """)
    op.drop_table('earlier_totals')
    op.execute(_COUNT)
    op.create_table(
        'issue_schedule',
        sa.Column('issue_id', _number(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.Column('deliveries', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ['issue_id'], ['issues.id'], name=op.f('fk_issue_schedule_issue_id_issues'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('issue_id', 'at', name=op.f('pk_issue_schedule')),
    )
    op.execute(_SCHEDULE)
    columns = ['issue_id', 'state', 'attempts', 'next_attempt_at', 'finished_at']
    op.create_index('ix_deliveries_again', 'deliveries', columns, postgresql_where=_AGAIN, sqlite_where=_AGAIN)


def downgrade() -> None:
    op.drop_index('ix_deliveries_again', 'deliveries', postgresql_where=_AGAIN, sqlite_where=_AGAIN)
    op.drop_table('issue_schedule')
    _make_totals(with_parts=False)  # the scheduler counts the finished issues
    op.drop_table('earlier_totals')


def _make_totals(with_parts: bool) -> None:
    """Put an empty table in place of the totals, which are in `earlier_totals` then."""
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    op.rename_table('issue_totals', 'earlier_totals')
    if op.get_bind().dialect.name == 'postgresql':  # SQLite has no names of constraints to make way for
        op.execute('ALTER INDEX pk_issue_totals RENAME TO pk_earlier_totals')
    part = [sa.Column('part', sa.Integer(), nullable=False)] if with_parts else []
    op.create_table(
        'issue_totals',
        sa.Column('issue_id', _number(), nullable=False),
        *part,
        sa.Column('state', sa.String(20, collation=collation), nullable=False),
        sa.Column('reason', sa.String(80, collation=collation), nullable=False),
        sa.Column('deliveries', sa.Integer(), nullable=False),
        sa.Column('last_at', sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ['issue_id'], ['issues.id'], name=op.f('fk_issue_totals_issue_id_issues'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint(
            'issue_id', *(['part'] if part else []), 'state', 'reason', name=op.f('pk_issue_totals')
        ),
    )


def _number() -> sa.BigInteger:
    return sa.BigInteger().with_variant(sa.Integer(), 'sqlite')

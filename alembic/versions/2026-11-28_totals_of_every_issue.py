"""totals of every issue

Totals are kept by the transitions of deliveries, from the first on. Those of issues that have none are counted now.
Indexes find what waits again, and what was not sent in the order in which it is listed.

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
_DUE = sa.text("state IN ('queued', 'uncertain') AND issue_id IS NOT NULL")
_UNSENT = sa.text("state IN ('refused', 'expired', 'skipped', 'quarantined')")
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
    _index('again', ['issue_id', 'state', 'attempts', 'next_attempt_at', 'finished_at'], _AGAIN)
    for name, where in (('due', _DUE), ('unsent', _UNSENT)):
        op.drop_index(f'ix_deliveries_{name}', 'deliveries', postgresql_where=where, sqlite_where=where)
    _index('due', ['next_attempt_at', 'id', 'issue_id'], _DUE)
    _index('unsent', ['state', 'issue_id', 'id'], _UNSENT)
    _index('unsent_of_all', ['state', 'id'], _UNSENT)


def downgrade() -> None:
    for name, where in (('again', _AGAIN), ('unsent_of_all', _UNSENT), ('due', _DUE), ('unsent', _UNSENT)):
        op.drop_index(f'ix_deliveries_{name}', 'deliveries', postgresql_where=where, sqlite_where=where)
    _index('due', ['next_attempt_at', 'id'], _DUE)
    _index('unsent', ['state', 'issue_id', 'reason'], _UNSENT)
    op.drop_table('issue_schedule')
    _make_totals(with_parts=False)  # the scheduler counts the finished issues
    op.drop_table('earlier_totals')


def _index(name: str, columns: list[str], where: sa.TextClause) -> None:
    op.create_index(f'ix_deliveries_{name}', 'deliveries', columns, postgresql_where=where, sqlite_where=where)


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

"""what the operators' reports read

Stores subscribers by day, finds the newest refusals and the reasons for leaving without reading whole
tables, and calls a pause by its new name.

Revision ID: 0030
Revises: 0029
"""

import sqlalchemy as sa
from alembic import op


revision = '0030'
down_revision = '0029'
branch_labels = None
depends_on = None

REFUSED = sa.text("state = 'refused'")
REASONS_TO_LEAVE = sa.text("what = 'said why they left'")
OLD, NEW = 'paused by the reader', 'paused by the subscriber'


def upgrade() -> None:
    op.create_table(
        'subscriber_days',
        sa.Column('day', sa.Date(), nullable=False),
        sa.Column('signed_up', sa.Integer(), nullable=False),
        sa.Column('confirmed', sa.Integer(), nullable=False),
        sa.Column('left', sa.Integer(), nullable=False),
        sa.Column('counted_at', sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint('day', name=op.f('pk_subscriber_days')),
    )
    op.create_index(
        'ix_deliveries_refused',
        'deliveries',
        ['finished_at', 'id', 'reply_enhanced'],
        postgresql_where=REFUSED,
        sqlite_where=REFUSED,
    )
    op.create_index(
        'ix_events_reasons_to_leave',
        'events',
        ['at'],
        postgresql_where=REASONS_TO_LEAVE,
        sqlite_where=REASONS_TO_LEAVE,
    )
    _rename(OLD, NEW)


def downgrade() -> None:
    _rename(NEW, OLD)
    op.drop_index(
        'ix_events_reasons_to_leave', 'events', postgresql_where=REASONS_TO_LEAVE, sqlite_where=REASONS_TO_LEAVE
    )
    op.drop_index('ix_deliveries_refused', 'deliveries', postgresql_where=REFUSED, sqlite_where=REFUSED)
    op.drop_table('subscriber_days')


def _rename(before: str, after: str) -> None:
    """Of the reason in deliveries, in the sums of finished issues, and in what a cut left out."""
    run = op.get_bind().execute
    names = {'before': before, 'after': after}
    # The state first: it is what the index begins with.
    run(sa.text("UPDATE deliveries SET reason = :after WHERE state = 'skipped' AND reason = :before"), names)
    run(sa.text("UPDATE issue_totals SET reason = :after WHERE state = 'skipped' AND reason = :before"), names)
    # Their JSON as text, in which the reason is part of a name.
    kind = 'jsonb' if op.get_bind().dialect.name == 'postgresql' else 'text'
    old, new = (f"CAST(:{name} AS text)" for name in names)
    replaced = f'CAST(replace(CAST(settings AS text), {old}, {new}) AS {kind})'
    quoted = {name: f'"left out {reason}"' for name, reason in names.items()}
    which = f"CAST(settings AS text) LIKE '%' || {old} || '%'"
    run(sa.text(f'UPDATE issues SET settings = {replaced} WHERE {which}'), quoted)

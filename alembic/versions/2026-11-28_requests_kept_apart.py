"""requests kept apart

Until now a request by anybody made someone who had unsubscribed pending, and forgot when they had confirmed: where an
event tells, both are put right, and the request waits apart.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op


revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

_CONFIRMED_AT = """
    FROM events WHERE events.subject = 'subscriber:' || subscribers.key
    AND events.what IN ('confirmed', 'imported') AND events.at >= subscribers.created_at
"""


def upgrade() -> None:
    instant, collation = sa.DateTime(timezone=True), 'C' if op.get_bind().dialect.name == 'postgresql' else None
    number = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    op.create_table(
        'consents',
        sa.Column('id', number, nullable=False),
        sa.Column('subscriber_id', number, nullable=False),
        sa.Column('requested_at', instant, nullable=False),
        sa.Column('requested_from', sa.String(64, collation=collation), nullable=False),
        sa.Column('form', sa.String(40, collation=collation), nullable=False),
        sa.Column('confirmed_at', instant, nullable=True),
        sa.Column('confirmed_from', sa.String(64, collation=collation), nullable=False),
        sa.ForeignKeyConstraint(
            ['subscriber_id'], ['subscribers.id'], name=op.f('fk_consents_subscriber_id_subscribers'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('id', name=op.f('pk_consents')),
    )
    op.create_index(op.f('ix_consents_subscriber_id'), 'consents', ['subscriber_id'])
    op.execute(f"""
        INSERT INTO consents (subscriber_id, requested_at, requested_from, form, confirmed_from)
        SELECT id, requested_at, requested_from, form, '' FROM subscribers
        WHERE status = 'pending' AND EXISTS (SELECT 1 {_CONFIRMED_AT})
    """)
    op.execute(f"""
        UPDATE subscribers SET status = 'unsubscribed', confirmed_at = (SELECT max(events.at) {_CONFIRMED_AT})
        WHERE status != 'confirmed' AND confirmed_at IS NULL AND EXISTS (SELECT 1 {_CONFIRMED_AT})
    """)


def downgrade() -> None:
    op.drop_table('consents')

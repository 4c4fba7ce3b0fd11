"""only what I follow

Allows the balance of subscribers who want only papers that match what they follow or liked.

Revision ID: 0036
Revises: 0035
"""

import sqlalchemy as sa
from alembic import op


revision = '0036'
down_revision = '0035'
branch_labels = None
depends_on = None

_NUMBERED = {'sqlite_autoincrement': True}
_NAME = 'ck_subscribers_balance'


def upgrade() -> None:
    _allow("balance IN ('best', 'both', 'mine', 'only')")


def downgrade() -> None:
    op.execute(sa.text("UPDATE subscribers SET balance = 'mine' WHERE balance = 'only'"))
    _allow("balance IN ('best', 'both', 'mine')")


def _allow(condition: str) -> None:
    with op.batch_alter_table('subscribers', table_kwargs=_NUMBERED) as batch_op:
        batch_op.drop_constraint(batch_op.f(_NAME), type_='check')
        batch_op.create_check_constraint(batch_op.f(_NAME), condition)

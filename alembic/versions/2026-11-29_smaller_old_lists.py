"""smaller old lists

Changes no table. Lists of old issues shrink from this version on. Earlier versions could not show them, and refuse a
database that is newer than they are (docs/decisions/0080).

Revision ID: 0044
Revises: 0043
"""

revision = '0044'
down_revision = '0043'
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass

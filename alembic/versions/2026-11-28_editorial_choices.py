"""editorial choices

Before the cut of an issue, people may pin, remove or postpone single papers.

Revision ID: 0029
Revises: 0028
"""

import sqlalchemy as sa
from alembic import op


revision = '0029'
down_revision = '0028'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    op.create_table(
        'editorial_choices',
        sa.Column('issue_date', sa.Date(), nullable=False),
        sa.Column('paper_id', sa.String(80, collation=collation), nullable=False),
        sa.Column('choice', sa.String(10, collation=collation), nullable=False),
        sa.Column('until', sa.Date(), nullable=True),
        sa.Column('by', sa.String(80, collation=collation), nullable=False),
        sa.Column('reason', sa.Text(), nullable=False),
        sa.Column('at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "choice IN ('pinned', 'removed', 'postponed')", name=op.f('ck_editorial_choices_choice')
        ),
        sa.CheckConstraint(
            "(choice = 'postponed') = (until IS NOT NULL)", name=op.f('ck_editorial_choices_until')
        ),
        sa.ForeignKeyConstraint(
            ['paper_id'], ['papers.id'], name=op.f('fk_editorial_choices_paper_id_papers'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('issue_date', 'paper_id', name=op.f('pk_editorial_choices')),
    )
    op.create_index('ix_editorial_choices_until', 'editorial_choices', ['until'])


def downgrade() -> None:
    op.drop_table('editorial_choices')

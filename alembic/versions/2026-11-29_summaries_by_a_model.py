"""summaries by a model

Adds what a language model was asked to write about papers.

Revision ID: 0043
Revises: 0041
"""

import sqlalchemy as sa
from alembic import op


revision = '0043'
down_revision = '0041'
branch_labels = None
depends_on = None


def upgrade() -> None:
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    op.create_table(
        'model_summaries',
        sa.Column('paper_id', sa.String(80, collation=collation), nullable=False),
        sa.Column('language', sa.String(20, collation=collation), nullable=False),
        sa.Column('state', sa.String(10, collation=collation), nullable=False),
        sa.Column('text', sa.Text(), nullable=False),
        sa.Column('model', sa.Text(), nullable=False),
        sa.Column('problem', sa.Text(), nullable=False),
        sa.Column('requests', sa.Integer(), nullable=False),
        sa.Column('asked_at', sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('asked', 'ready', 'unusable', 'failed')", name=op.f('ck_model_summaries_state')
        ),
        sa.PrimaryKeyConstraint('paper_id', 'language', name=op.f('pk_model_summaries')),
    )
    op.create_index(op.f('ix_model_summaries_asked_at'), 'model_summaries', ['asked_at'])


def downgrade() -> None:
    op.drop_table('model_summaries')

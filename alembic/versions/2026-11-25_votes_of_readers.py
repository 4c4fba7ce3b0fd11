"""votes of readers

Revision ID: 0008
Revises: 0007
"""

from alembic import op


revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table('reader_votes', schema=None) as batch_op:
        batch_op.drop_constraint(batch_op.f('fk_reader_votes_paper_id_papers'), type_='foreignkey')
        batch_op.create_index(batch_op.f('ix_reader_votes_recipient'), ['recipient'], unique=False)


def downgrade() -> None:
    op.execute("DELETE FROM reader_votes WHERE paper_id NOT IN (SELECT id FROM papers)")
    with op.batch_alter_table('reader_votes', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_reader_votes_recipient'))
        batch_op.create_foreign_key(batch_op.f('fk_reader_votes_paper_id_papers'), 'papers', ['paper_id'], ['id'], ondelete='CASCADE')

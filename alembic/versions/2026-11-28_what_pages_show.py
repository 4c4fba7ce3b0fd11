"""what pages show

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from digest.papers.paper import Paper
from digest.papers.topics import topics_of


revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')
_RANKS, _BATCH = 50, 500
_issue_papers = sa.table('issue_papers', sa.column('issue_id'), sa.column('rank'), sa.column('paper', _JSON))
_issue_topics = sa.table('issue_topics', sa.column('issue_id'), sa.column('topic'), sa.column('rank'))


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
    collation = 'C' if op.get_bind().dialect.name == 'postgresql' else None
    op.create_table(
        'issue_topics',
        sa.Column('issue_id', number, nullable=False),
        sa.Column('topic', sa.String(20, collation=collation), nullable=False),
        sa.Column('rank', sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ['issue_id'], ['issues.id'], name=op.f('fk_issue_topics_issue_id_issues'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('issue_id', 'topic', 'rank', name=op.f('pk_issue_topics')),
    )
    op.create_table(
        'similar_papers',
        sa.Column('paper_id', sa.String(80, collation=collation), nullable=False),
        sa.Column('similar', _JSON, nullable=False),
        sa.Column('computed_at', sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ['paper_id'], ['papers.id'], name=op.f('fk_similar_papers_paper_id_papers'), ondelete='CASCADE'
        ),
        sa.PrimaryKeyConstraint('paper_id', name=op.f('pk_similar_papers')),
    )
    op.create_index(op.f('ix_similar_papers_computed_at'), 'similar_papers', ['computed_at'])
    _add_topics(op.get_bind())


def _add_topics(connection: sa.Connection) -> None:
    """Of the issues that were cut before."""
    best = sa.select(_issue_papers).where(_issue_papers.c.rank <= _RANKS)
    for batch in connection.execute(best).partitions(_BATCH):
        rows = [
            {'issue_id': row.issue_id, 'topic': topic.slug, 'rank': row.rank}
            for row in batch
            for topic in topics_of(_paper(row.paper))
        ]
        if rows:
            connection.execute(sa.insert(_issue_topics), rows)


def _paper(stored: dict) -> Paper:
    lists = {name: tuple(stored.get(name, ())) for name in ('categories', 'keywords')}
    return Paper(stored['id'], stored.get('title', ''), summary=stored.get('summary', ''), **lists)


def downgrade() -> None:
    op.drop_table('similar_papers')
    op.drop_table('issue_topics')

"""what names nobody

Adds the version of a subscriber's links. Deletes personal data that earlier versions kept of deleted subscribers
(the reasons in their lists, mail servers' replies, details of events) and validators of URLs that may hold a password.

Revision ID: 0018
Revises: 0017
"""

import sqlalchemy as sa
from alembic import op


revision = '0018'
down_revision = '0017'
branch_labels = None
depends_on = None

_NUMBERED = {'sqlite_autoincrement': True}
_PICKS = {
    'sqlite': """json_object('left_out', json_extract(selection, '$.left_out'), 'picks', (
        SELECT json_group_array(json_array(json_extract(value, '$[0]'), '')) FROM json_each(selection, '$.picks')))""",
    'postgresql': """jsonb_build_object('left_out', selection -> 'left_out', 'picks', (
        SELECT coalesce(jsonb_agg(jsonb_build_array(pick -> 0, '') ORDER BY number), '[]')
        FROM jsonb_array_elements(selection -> 'picks') WITH ORDINALITY AS picks(pick, number)))""",
}
_HAS_PICKS = {
    'sqlite': "json_type(selection, '$.picks') = 'array'",
    'postgresql': "jsonb_typeof(selection -> 'picks') = 'array'",
}


def upgrade() -> None:
    with op.batch_alter_table('subscribers', table_kwargs=_NUMBERED) as batch_op:
        batch_op.add_column(sa.Column('link_version', sa.Integer(), nullable=False, server_default='0'))
    with op.batch_alter_table('subscribers', table_kwargs=_NUMBERED) as batch_op:
        batch_op.alter_column('link_version', server_default=None)
    dialect = op.get_bind().dialect.name
    op.execute(f"""
        UPDATE deliveries SET selection = {_PICKS[dialect]}
        WHERE subscriber_id IS NULL AND {_HAS_PICKS[dialect]}
    """)
    op.execute("UPDATE deliveries SET reply_text = '' WHERE subscriber_id IS NULL AND reply_text != ''")
    op.execute("UPDATE suppressions SET detail = '' WHERE key NOT IN (SELECT key FROM subscribers)")
    op.execute("""
        UPDATE events SET detail = '{}' WHERE EXISTS (
            SELECT 1 FROM events later
            WHERE later.subject = events.subject AND later.what = 'erased' AND later.id > events.id)
    """)
    op.execute("DELETE FROM validators WHERE url LIKE '%@%' OR url LIKE '%?%'")
    # The scheduler removes the traces of earlier deletions from the files; a new database has none.
    left = sa.text("""
        INSERT INTO events (at, subject, what, detail)
        SELECT max(at), 'traces of the deleted', 'left', '{}' FROM events HAVING count(*) > 0
    """)
    op.execute(left)


def downgrade() -> None:
    with op.batch_alter_table('subscribers', table_kwargs=_NUMBERED) as batch_op:
        batch_op.drop_column('link_version')

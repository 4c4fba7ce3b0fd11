"""codes compare by bytes

PostgreSQL alone: SQLite compares all text so. Indexes of these columns are built anew, which takes a large ledger
a minute or two.

Revision ID: 0011
Revises: 0010
"""

from alembic import op


revision = '0011'
down_revision = '0010'
branch_labels = None
depends_on = None

# Length by column, by table.
_CODES = {
    'collections': {'source': 40, 'outcome': 20},
    'deliveries': {'kind': 20, 'occasion': 20, 'recipient': 32, 'state': 20, 'reason': 80, 'worker': 80, 'message_id': 200, 'sha256': 64, 'reply_enhanced': 12},
    'events': {'subject': 80, 'what': 40},
    'issues': {'kind': 20, 'status': 20, 'formula': 40},
    'papers': {'id': 80},
    'pauses': {'scope': 254},
    'reader_votes': {'paper_id': 80, 'recipient': 32},
    'subscribers': {'email': 254, 'key': 32, 'status': 20, 'frequency': 10, 'zone': 64, 'language': 20, 'requested_from': 64, 'form': 40, 'confirmed_from': 64},
    'suggestions': {'paper_id': 80, 'recipient': 32, 'state': 10},
    'suppressions': {'key': 32, 'reason': 40},
    'validators': {'url': 500},
    'fragments': {'language': 20},
    'issue_papers': {'paper_id': 80},
    'opinions': {'paper_id': 80, 'said': 10},
    'votes': {'paper_id': 80, 'source': 40},
    'paper_words': {'paper_id': 80, 'made_of': 32},
}


def upgrade() -> None:
    _compare('"C"', issue_index='brin')


def downgrade() -> None:
    _compare('"default"', issue_index='btree')


def _compare(collation: str, issue_index: str) -> None:
    if op.get_bind().dialect.name != 'postgresql':
        return
    op.drop_index('ix_deliveries_issue', table_name='deliveries')
    for table, lengths in _CODES.items():
        changes = (f'ALTER {name} TYPE VARCHAR({length}) COLLATE {collation}' for name, length in lengths.items())
        op.execute(f'ALTER TABLE {table} {", ".join(changes)}')
    op.create_index('ix_deliveries_issue', 'deliveries', ['issue_id'], postgresql_using=issue_index)

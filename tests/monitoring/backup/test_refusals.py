"""A restore overwrites nothing by accident, and a backup is complete or does not exist."""

from pathlib import Path

import pytest
from sqlalchemy import select, text

from digest.database.backup.dump import dump
from digest.database.backup.tools import BackupError
from digest.database.engine import connect, read_only, transaction
from digest.database.tables import heartbeats, sessions, subscribers
from digest.monitoring.backup.records import begin_backup
from digest.monitoring.heartbeats import Role, beat, this_process
from digest.settings import settings
from digest.subscribers import subscriptions
from digest.subscribers.tokens import Purpose, sign, verify
from tests.support.scenario import MORNING, ON_SQLITE, add_subscriber, cut


def test_a_database_that_is_not_empty_is_kept_unless_forced(installation, people):
    installation.backup()
    add_subscriber(installation.engine, "later@example.com")
    installation.engine.dispose()
    problem = installation.run("restore", str(installation.file), code=3)
    assert problem == "digest: the database is not empty. Back it up, then use --force\n"
    assert installation.run("restore", str(installation.file), "--force", "--dry-run")["dry_run"]
    with read_only(installation.engine) as connection:
        assert len(connection.execute(select(subscribers.c.id)).all()) == 41
    installation.engine.dispose()
    installation.run("restore", str(installation.file), "--force")
    with read_only(installation.engine) as connection:
        assert len(connection.execute(select(subscribers.c.id)).all()) == 40


def test_a_database_in_use_is_not_replaced(installation, people):
    installation.backup()
    with installation.engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        problem = installation.run("restore", str(installation.file), "--force", code=3)
    assert "use" in problem
    assert "Stop Digest" in problem


def test_a_backup_of_a_later_version_is_not_restored(installation, people):
    with transaction(installation.engine) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'later'"))
    with transaction(installation.engine) as connection:
        begin_backup(connection, MORNING, ["another"], "here", MORNING)
    dump(installation.engine, installation.file)
    problem = installation.restore(code=3)
    assert "was made by a later version of Digest" in problem


def test_another_secret_key_is_refused_with_its_consequences(installation, people, monkeypatch):
    installation.backup()
    monkeypatch.setenv("DIGEST_SECRET_KEY", "another-secret-of-thirty-two-characters")
    problem = installation.restore(code=3)
    assert problem.startswith("digest: DIGEST_SECRET_KEY is not the key of this backup: no link in an email would work")


@ON_SQLITE
@pytest.mark.parametrize("content", [b"", b"something else", b"SQLite format 3\0damaged", b"PGDMPdamaged"])
def test_a_file_that_is_not_a_backup_changes_nothing(installation, content):
    installation.file.write_bytes(content)
    assert installation.restore(code=3)
    assert not Path(installation.engine.url.database).exists()


@ON_SQLITE
def test_a_backup_of_a_damaged_database_leaves_the_existing_file(installation, people):
    installation.file.write_bytes(b"an earlier backup")
    damaged = installation.file.parent / "damaged.sqlite"
    dump(installation.engine, damaged)
    with damaged.open("r+b") as stream:
        stream.seek(10 * 4096)
        stream.write(b"damaged " * 512 * 5)
    with pytest.raises(BackupError, match="the file is damaged"):
        dump(connect(f"sqlite:///{damaged}"), installation.file)
    assert installation.file.read_bytes() == b"an earlier backup"
    assert list(installation.file.parent.glob(f".{installation.file.name}.*")) == []


def test_a_backup_that_cannot_be_written_is_not_recorded(installation, people):
    missing = installation.file.parent / "no such folder" / "backup"
    assert "cannot be written (No such file or directory)" in installation.run("backup", str(missing), code=3)
    assert "is a folder" in installation.run("backup", str(installation.file.parent), code=3)
    with read_only(installation.engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM backups")).scalar_one() == 0


def test_a_number_assigned_after_the_backup_is_not_used_again(installation, people):
    installation.backup()
    lost = add_subscriber(installation.engine, "lost@example.com")
    link = sign(Purpose.MANAGE, lost.id, MORNING, settings().secret_keys)
    installation.restore()
    new = add_subscriber(installation.engine, "new@example.com")
    assert verify(Purpose.MANAGE, link, settings().secret_keys).subscriber_id != new.id
    assert new.id > lost.id


def test_deleted_people_are_deleted_again_and_sessions_end(installation, people):
    beat(installation.engine, this_process(Role.WEB), {}, is_first=True)
    installation.backup()
    gone = people["reader3@example.com"]
    subscriptions.erase(installation.engine, gone.id, MORNING)
    installation.restore()
    with read_only(installation.engine) as connection:
        assert connection.scalar(select(subscribers.c.id).where(subscribers.c.email == gone.email)) is None
        assert connection.execute(select(sessions)).first() is None
        assert connection.execute(select(heartbeats)).first() is None


def test_a_person_who_subscribed_again_after_the_backup_stays_subscribed(installation, people):
    installation.backup()
    back = people["reader3@example.com"]
    subscriptions.unsubscribe(installation.engine, back.id, MORNING, "test")
    subscriptions.resubscribe(installation.engine, back.id, MORNING)
    assert installation.restore()["unsubscribed"] == 0
    cut(installation.engine)
    installation.deliver()
    assert installation.mailed[back.email] == 1

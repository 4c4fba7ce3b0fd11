"""Messages stay in a mailbox until they are processed."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import OperationalError

from digest.bounces.intake.imap import ImapAccount, count_unseen, parse_mailbox, take_from_imap
from digest.bounces.intake.maildir import take_from_maildir
from digest.bounces.intake.taking import Taker
from digest.clock import now
from digest.database.engine import read_only
from digest.database.tables import bounce_counts
from tests.bounces.reading.messages import dsn, failed
from tests.support.imap_server import imap_server

MESSAGE = dsn(failed("ann@example.net", "5.1.1", "550 5.1.1 User unknown"))
OTHER = dsn(failed("bob@example.net", "5.2.2", "552 5.2.2 ImapAccount full"))


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for name in ("cur", "new", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "new" / "1.a").write_bytes(MESSAGE)
    (tmp_path / "new" / "2.b").write_bytes(OTHER)
    return tmp_path


def names(folder: Path) -> dict[str, list[str]]:
    return {name: sorted(file.name for file in (folder / name).iterdir()) for name in ("new", "cur")}


def away(_message: bytes) -> None:
    raise OperationalError("insert", {}, Exception("the database is away"))


def test_each_message_of_a_maildir_is_processed_once(maildir: Path) -> None:
    taken: list[bytes] = []
    assert take_from_maildir(maildir, taken.append) == 2
    assert take_from_maildir(maildir, taken.append) == 0
    assert taken == [MESSAGE, OTHER]
    assert names(maildir) == {"new": [], "cur": ["1.a:2,S", "2.b:2,S"]}


def test_a_maildir_keeps_its_messages_while_the_database_is_away(maildir: Path) -> None:
    with pytest.raises(OperationalError):
        take_from_maildir(maildir, away)
    assert names(maildir) == {"new": ["1.a", "2.b"], "cur": []}


def test_a_message_that_cannot_be_stored_holds_up_no_other(maildir: Path) -> None:
    def take(message: bytes) -> None:
        if message == MESSAGE:
            raise ValueError("this one")

    with pytest.raises(ValueError, match="this one"):
        take_from_maildir(maildir, take)
    assert names(maildir) == {"new": ["1.a"], "cur": ["2.b:2,S"]}


def test_a_mailbox_is_read_once_and_its_messages_are_marked_or_moved() -> None:
    taken: list[bytes] = []
    with imap_server(MESSAGE, OTHER) as server:
        mailbox = parse_mailbox(server.url)
        assert count_unseen(mailbox) == 2
        assert take_from_imap(mailbox, taken.append) == 2
        assert take_from_imap(mailbox, taken.append) == 0
        assert (taken, server.seen) == ([MESSAGE, OTHER], {1, 2})
    with imap_server(MESSAGE) as server:
        assert take_from_imap(parse_mailbox(server.url), taken.append, move_to="Done") == 1
        assert server.moved == {1: "Done"}


def test_a_mailbox_keeps_its_messages_unseen_while_the_database_is_away() -> None:
    with imap_server(MESSAGE, OTHER) as server:
        with pytest.raises(OperationalError):
            take_from_imap(parse_mailbox(server.url), away)
        assert server.seen == set()


def test_a_wrong_password_is_an_error_that_names_the_server() -> None:
    with imap_server() as server, pytest.raises(OSError, match=r"127\.0\.0\.1 answers: .*wrong password"):
        take_from_imap(parse_mailbox(server.url.replace("secret", "wrong")), print)


def test_a_mailbox_is_read_without_tls_only_on_this_machine() -> None:
    assert parse_mailbox("imaps://a%40b:p%3Aw@mail.example.org") == ImapAccount(
        "mail.example.org", 993, "a@b", "p:w", "INBOX"
    )
    with pytest.raises(ValueError, match="not encrypted"):
        parse_mailbox("imap://a:b@mail.example.org/INBOX")


def test_a_message_is_counted_for_each_recipient_in_it(engine: Engine) -> None:
    both = dsn(failed("ann@example.net", "5.1.1", "550 no"), failed("bob@example.net", "5.2.2", "552 full"))
    Taker(engine, (b"k" * 32,), now).message(both, "pipe")
    with read_only(engine) as connection:
        rows = connection.execute(select(bounce_counts.c.kind, bounce_counts.c.proof, bounce_counts.c.reports)).all()
    assert sorted(map(tuple, rows)) == [("hard", "unproved", 1), ("soft", "unproved", 1)]

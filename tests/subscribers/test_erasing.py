"""After a deletion nothing that names the subscriber is left: in the database, its files, the journal and the log."""

import random
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from datetime import timedelta
from pathlib import Path

import pytest
import structlog
from sqlalchemy import Connection, Engine, select, update

from digest.database import traces
from digest.database.engine import read_only, transaction
from digest.database.tables import bounces, deliveries, messages, metadata
from digest.issues.explain import stored_selection
from digest.issues.selection import Selection
from digest.ledger import events
from digest.ledger.kinds import SuppressionReason
from digest.smtp import Envelope
from digest.smtp.submission import without_recipient
from digest.subscribers import community, erasing, paper_feedback, store, subscriptions
from digest.subscribers.paper_feedback import FeedbackKind
from digest.subscribers.subscriber import Consent, Preferences, Subscriber
from digest.subscribers.suppressions import lift
from digest.subscribers.suppressions import suppress as suppress_address
from tests.mail.delivery.builders import Hands
from tests.mail.delivery.builders import hands as hands
from tests.subscribers.address_change.builders import ask, change_address
from tests.support.scenario import DAY, MORNING, ON_SQLITE, SECRET, add_papers, add_subscriber, cut
from tests.support.smtp_server import KEEP_AND_HANG_UP, SmtpServer, Step
from tests.support.workers import postman

A_DAY = timedelta(days=1)
ADDRESS, LOCAL, DOMAIN = "Zora.Quist@zephyrine.example", "zora.quist", "zephyrine.example"
PROFILE = {
    "keywords": ("pAPER nUMBER",),  # as nobody else types it: the papers have other capitals
    "authors": ("aDA lOVELACE",),
    "labs": ("Vermilion Institute",),
    "muted_words": ("zeugma",),
    "zone": "Pacific/Chatham",
    "hour": 20,
}
LEFT_BECAUSE = "my quagga ate it"
TRACES = (ADDRESS, LOCAL, DOMAIN, "pAPER nUMBER", "aDA lOVELACE", "Vermilion", "zeugma", "Chatham", "quagga")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """The file to which this test's log goes, with everything in it."""
    file = tmp_path / "log"
    with file.open("w", buffering=1) as stream:
        structlog.configure(logger_factory=structlog.WriteLoggerFactory(stream))
        yield file


class ErasesMeanwhile:
    """A sender whose recipient's data is deleted between a message and the reply to it."""

    def __init__(self, hands: Hands, subscriber: Subscriber) -> None:
        self.hands, self.subscriber = hands, subscriber

    def submit(self, window, now, begin_until):
        replies = self.hands.sender.submit(window, now, begin_until)
        assert subscriptions.erase(self.hands.engine, self.subscriber.id, now())
        return replies


def stored(engine: Engine) -> str:
    """Every value of every row."""
    with read_only(engine) as connection:
        return repr([connection.execute(select(table)).all() for table in metadata.sorted_tables])


def left(engine: Engine, *files: Path, traces: Collection[str] = TRACES) -> set[str]:
    """The traces that a search finds in the rows, in the files of an SQLite database, and in `files`."""
    places = [stored(engine).casefold().encode()]
    if engine.dialect.name == "sqlite":
        files += tuple(Path(f"{engine.url.database}{end}") for end in ("", "-wal", "-shm", "-journal"))
    for file in files:
        with suppress(FileNotFoundError):
            places += [part.read_bytes() for part in (file.rglob("*") if file.is_dir() else [file]) if part.is_file()]
    exact = {"pAPER nUMBER", "aDA lOVELACE"}
    lowered = [place.lower() for place in places]
    found = {trace for trace in traces if trace not in exact and any(trace.lower().encode() in p for p in lowered)}
    rows = stored(engine).encode()
    return found | {trace for trace in exact if any(trace.encode() in place for place in (rows, *places))}


def lists_in(connection: Connection) -> list[Selection]:
    rows = connection.execute(select(deliveries).order_by(deliveries.c.id)).all()
    return [selection for row in rows if (selection := stored_selection(connection, row))]


def lived(engine: Engine, hands: Hands, server: SmtpServer) -> Subscriber:
    """A subscriber who left a trace wherever one can be left."""
    add_papers(engine, range(12))
    zora = add_subscriber(engine, ADDRESS, **PROFILE)
    cut(engine)
    server.always(Step.END, f"250 2.0.0 kept for <{ADDRESS}>")
    hands.deliver()
    for number, kind in enumerate(FeedbackKind):
        paper_feedback.give(engine, zora.id, f"2603.{number:05}", kind, hands.at)
    community.suggest(engine, zora.id, "2603.00009", hands.at, 5)
    server.answer(Step.END, KEEP_AND_HANG_UP)
    subscriptions.mail_link(engine, ADDRESS, hands.at, SECRET)  # its bytes are kept, since it may have arrived
    hands.deliver()
    subscriptions.unsubscribe(engine, zora.id, hands.at, "page")
    subscriptions.say_why(engine, zora.id, "other", LEFT_BECAUSE, hands.at)
    subscriptions.resubscribe(engine, zora.id, hands.at)
    hands.at += A_DAY
    add_papers(engine, range(20, 32), seen_at=hands.at - timedelta(hours=3), listed_at=hands.at)
    cut(engine, DAY + A_DAY)
    return zora


def test_nothing_is_left_of_somebody_deleted_even_by_the_reply_to_a_message_on_the_wire(
    engine, hands, smtp_server, log, tmp_path
) -> None:
    zora = lived(engine, hands, smtp_server)
    with transaction(engine) as connection:
        replies = connection.scalars(select(deliveries.c.reply_text)).all()
        assert "2.0.0 kept for <…>" in replies, "a reply is kept without the name of the recipient"
        connection.execute(update(deliveries).values(reply_text=f"250 {ADDRESS}"))  # as earlier versions kept it
        suppress_address(connection, zora.key, SuppressionReason.OPERATOR, f"550 {ADDRESS}", MORNING)
        assert "pAPER nUMBER" in repr(lists_in(connection)), "a reason names what they follow"
        assert connection.execute(select(messages)).all(), "the bytes of a message are kept"
        lift(connection, zora.key)
    assert left(engine, hands.folder, log) >= {ADDRESS, "pAPER nUMBER", "aDA lOVELACE", "quagga"}
    smtp_server.behave()
    smtp_server.always(Step.END, f"550 5.1.1 {LOCAL}@{DOMAIN}: {ADDRESS} has moved to {DOMAIN}")
    with closing(postman(engine, ErasesMeanwhile(hands, zora), hands.folder, lambda: hands.at)) as worker:
        worker.deliver_due(10)
        assert left(engine, hands.folder, log) == set()
    with read_only(engine) as connection:
        assert set(connection.scalars(select(deliveries.c.recipient))) == {zora.key}
        picks = [pick for selection in lists_in(connection) for pick in selection.picks]
        assert {pick[1:] for pick in picks} == {("", ())}
        assert len({pick.paper_id for pick in picks}) >= 10, (
            "which papers they got is known by their key, so that none is sent twice"
        )
        assert connection.execute(select(bounces.c.status, bounces.c.text)).one() == ("5.1.1", "")
    assert left(engine, tmp_path) == set()


def test_nothing_is_left_of_the_addresses_of_somebody_who_changed_theirs(engine, hands, smtp_server, tmp_path) -> None:
    zora = lived(engine, hands, smtp_server)
    smtp_server.behave()
    change_address(engine, zora, hands.at, "Zenobia@hesperus.example")
    hands.at += A_DAY
    ask(engine, zora, hands.at, "zenith@hyperion.example")  # is open when the data is deleted
    hands.deliver()
    everything = {*TRACES, "zenobia", "hesperus", "zenith", "hyperion"}
    assert left(engine, tmp_path, traces=everything) >= {ADDRESS, "hesperus", "hyperion"}
    subscriptions.erase(engine, zora.id, hands.at)
    assert left(engine, traces=everything) == set()
    assert zora.key in stored(engine), "the keyed hash stays"


@ON_SQLITE
def test_copies_of_rows_that_sqlite_once_moved_are_removed_as_well(engine: Engine) -> None:
    dice, consent = random.Random(3), Consent(MORNING, "", "test")
    with transaction(engine) as connection:
        people = [(number, f"quaint{number:03}@example.org", f"{number:032}") for number in range(1, 301)]
        for _number, address, key in people:
            store.add_pending(connection, address, key, Preferences(), consent)
    for _ in range(3):  # rows of changing length move from page to page
        with transaction(engine) as connection:
            for number, _address, _key in dice.sample(people, 200):
                words = tuple(f"quirk{number:03}" for _ in range(dice.randrange(40)))
                store.set_preferences(connection, number, Preferences(keywords=words))
    first, *others = people
    gone = dice.sample(others, 40)
    with transaction(engine) as connection:
        for number, _address, key in gone:
            erasing.erase(connection, number, key)
    assert subscriptions.erase(engine, first[0], MORNING)
    content = b"".join(Path(f"{engine.url.database}{end}").read_bytes() for end in ("", "-wal"))
    assert [n for n, address, _ in gone if address.encode() in content or f"quirk{n:03}".encode() in content] == []


@ON_SQLITE
def test_a_large_database_is_rewritten_by_the_scheduler(engine, monkeypatch, log) -> None:
    monkeypatch.setattr(traces, "AT_ONCE", 0)
    zora = add_subscriber(engine, ADDRESS, **PROFILE)
    with transaction(engine) as connection:
        connection.exec_driver_sql("CREATE TABLE filler AS SELECT zeroblob(200000) AS bytes")
        connection.exec_driver_sql("DROP TABLE filler")
    subscriptions.erase(engine, zora.id, MORNING)
    assert left(engine, log) == set(), "the rows and the log of the database are clean at once"
    size = Path(engine.url.database).stat().st_size
    erasing.remove_traces(engine, MORNING)
    assert Path(engine.url.database).stat().st_size <= size - 200_000
    assert happened(engine) == ["left", "removed"]


@ON_SQLITE
def test_a_connection_that_reads_meanwhile_leaves_the_rest_to_the_scheduler(engine, monkeypatch, log) -> None:
    monkeypatch.setattr(traces, "_PATIENCE", 20)
    zora = add_subscriber(engine, ADDRESS, **PROFILE)
    with read_only(engine) as connection:
        connection.execute(select(deliveries.c.id)).all()
        assert subscriptions.erase(engine, zora.id, MORNING)
    assert happened(engine) == ["left"]
    erasing.remove_traces(engine, MORNING)
    assert (happened(engine), left(engine, log)) == (["left", "removed"], set())


def test_traces_are_removed_once(engine, log) -> None:
    zora = add_subscriber(engine, ADDRESS, **PROFILE)
    erasing.remove_traces(engine, MORNING)
    assert happened(engine) == []
    subscriptions.erase(engine, zora.id, MORNING)
    for _ in range(2):
        erasing.remove_traces(engine, MORNING)
    assert happened(engine) == ["left", "removed"]


def happened(engine: Engine) -> list[str]:
    with read_only(engine) as connection:
        return [event.what for event in reversed(events.latest(connection, 9, erasing.TRACES))]


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        (f"5.1.1 <{ADDRESS}> unknown", "5.1.1 <…> unknown"),
        ("2.0.0 ok ZORA.QUIST=zephyrine.example@relay", "2.0.0 ok …=zephyrine.example@relay"),
        ("no mailbox “zora.quist” here", "no mailbox “…” here"),
        ("zora.quists are others", "zora.quists are others"),
    ],
)
def test_the_reply_of_a_mail_server_is_kept_without_the_name_of_the_recipient(reply: str, kept: str) -> None:
    assert without_recipient(reply, Envelope(1, "", ADDRESS, b"")) == kept


def test_a_name_of_two_letters_is_removed_with_its_address_only() -> None:
    envelope = Envelope(1, "", "ok@example.org", b"")
    assert without_recipient("2.0.0 OK ok@example.org", envelope) == "2.0.0 OK …"

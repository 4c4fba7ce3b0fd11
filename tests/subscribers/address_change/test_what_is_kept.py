"""A change of address keeps everything that belongs to the subscriber, under the new key, and leaves the rest."""

from datetime import timedelta

from sqlalchemy import select

from digest.database.engine import read_only, transaction
from digest.database.tables import metadata, reader_votes, subscribers
from digest.issues import personal_data
from digest.issues.explain import lists_sent
from digest.ledger import events
from digest.ledger.kinds import SuppressionReason
from digest.subscribers import community, subscriptions
from digest.subscribers.paper_feedback import FeedbackKind, give
from digest.subscribers.subscriber import event_subject, recipient_key
from digest.subscribers.suppressions import suppress, suppression_of
from tests.mail.delivery.builders import hands as hands
from tests.subscribers.address_change.builders import NEW, OLD, change_address, somebody
from tests.support.scenario import DAY, MORNING, SECRET, add_papers, add_subscriber, cut

# Columns in which a key stays that of the address: what the address itself did or may not get.
_OF_THE_ADDRESS = {"address_changes", "suppressions", "failing", "bounces", "spellings"}


def with_key(engine, key):
    """The rows that hold a key, by table."""
    with read_only(engine) as connection:
        return {
            table.name: [row for row in map(repr, connection.execute(select(table))) if key in row]
            for table in metadata.sorted_tables
        }


def lived(engine, hands, address=OLD):
    add_papers(engine, range(8))
    ada = add_subscriber(engine, address, topics=("llm",), zone="Europe/Paris", hour=9)
    cut(engine)
    hands.at = MORNING + timedelta(hours=6)
    hands.deliver()
    give(engine, ada.id, "2603.00001", FeedbackKind.MORE, hands.at)
    community.suggest(engine, ada.id, "2603.00002", hands.at, 5)
    subscriptions.mail_link(engine, address, hands.at, SECRET)
    hands.deliver()
    return ada


def test_everything_of_the_subscriber_follows(engine, hands) -> None:
    ada = lived(engine, hands)
    before = personal_data.export(engine, ada.id)
    change_address(engine, ada, hands.at)
    after = personal_data.export(engine, ada.id)
    assert before
    assert after
    (change,) = after.pop("address_changes")
    assert (change["old_email"], change["new_email"], before.pop("address_changes")) == (OLD, NEW, [])
    key = recipient_key(NEW, SECRET)
    assert after.pop("subscriber") == before.pop("subscriber") | {"email": NEW, "key": key}
    assert [each["what"] for each in after.pop("events")][-len(before["events"]) :] == [
        each["what"] for each in before.pop("events")
    ]
    for name in ("suggestions",):
        assert [each | {"recipient": ""} for each in after.pop(name)] == [
            each | {"recipient": ""} for each in before.pop(name)
        ]
    assert after == before, "messages, feedback, library, saved papers, profiles, votes"
    assert before["mails"]
    assert before["opinions"]
    assert before["votes"]
    kept = {name: rows for name, rows in with_key(engine, ada.key).items() if rows and name not in _OF_THE_ADDRESS}
    assert [*kept] == ["deliveries"]
    assert all("address" in row for row in kept["deliveries"]), "the emails about the change itself"
    # The next issue repeats none of the papers that went to the old address.
    hands.at += timedelta(days=1)
    add_papers(engine, range(20, 23), seen_at=hands.at - timedelta(hours=8), listed_at=hands.at - timedelta(hours=9))
    cut(engine, DAY + timedelta(days=1))
    hands.deliver()
    with read_only(engine) as connection:
        lists = lists_sent(connection, recipient_key(NEW, SECRET), 10)
    first, second = ({pick.paper_id for pick in selection.picks} for _issue, _at, selection in lists)
    assert first
    assert second
    assert not first & second


def test_suppressions_stay_with_their_address(engine, hands) -> None:
    ada = lived(engine, hands)
    key = recipient_key(NEW, SECRET)
    with transaction(engine) as connection:
        suppress(connection, key, SuppressionReason.REFUSED, "", hands.at)
    change = change_address(engine, ada, hands.at)
    with transaction(engine) as connection:
        assert suppression_of(connection, key) is None, "it has just received our message"
        suppress(connection, change.old_key, SuppressionReason.COMPLAINED, "", hands.at)
        assert suppression_of(connection, key) is None


def test_a_vote_of_both_addresses_counts_once(engine, hands) -> None:
    ada = lived(engine, hands)
    other = add_subscriber(engine, NEW)
    community.vote(engine, other.id, "2603.00002", hands.at)
    subscriptions.erase(engine, other.id, hands.at)
    change_address(engine, ada, hands.at)
    with read_only(engine) as connection:
        votes = connection.execute(select(reader_votes.c.paper_id, reader_votes.c.recipient)).all()
    assert votes == [("2603.00002", recipient_key(NEW, SECRET))]


def test_a_subscriber_comes_back_to_an_earlier_address(engine, hands) -> None:
    ada = lived(engine, hands)
    for address in (NEW, OLD, NEW):
        hands.at += timedelta(days=8)
        current = somebody(engine, OLD if address == NEW else NEW)
        assert current is not None
        change_address(engine, current, hands.at, address)
    now = somebody(engine, NEW)
    assert now is not None
    assert (now.id, somebody(engine, OLD)) == (ada.id, None)
    with read_only(engine) as connection:
        assert connection.execute(select(subscribers.c.id)).all() == [(ada.id,)]
        recorded = events.latest(connection, 99, event_subject(now.key))
    assert [event.what for event in recorded].count("changed the address") == 3

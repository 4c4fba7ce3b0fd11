"""Messages that come back later are listed with the refusals, and are read by an index."""

from datetime import timedelta

from sqlalchemy import text

from digest.bounces.report import ReportKind
from digest.database.engine import read_only, transaction
from digest.issues.story import story
from digest.ledger.kinds import FailureKind
from digest.monitoring import delivery_list
from digest.monitoring.late_bounces import late_bounces, read_bounces
from tests.bounces.builders import Post, subscribe
from tests.bounces.builders import post as post
from tests.support.scenario import CUT, ON_SQLITE
from tests.support.smtp_server import Step
from tests.web.console.operators_pages import plan_of

PEOPLE = ["ada@example.com", "bob@example.net", "eve@example.org"]


def _sent(post: Post) -> None:
    """Send messages: Ada's comes back, Bob's is marked as spam, Eve's is refused."""
    subscribe(post, *PEOPLE)
    post.server.always(Step.RCPT, "550 5.1.1 no such user", to=PEOPLE[2])
    post.send()
    post.accept(post.report(PEOPLE[0], ReportKind.SOFT, diagnostic="452 mailbox full"))
    post.accept(post.report(PEOPLE[1], ReportKind.COMPLAINT))
    post.accept(post.report(PEOPLE[0], return_path="bounces@example.org"))


@ON_SQLITE
def test_the_newest_come_first_in_parts_without_refusals_in_the_session(post: Post) -> None:
    _sent(post)
    with read_only(post.engine) as connection:
        first, older = late_bounces(connection, 1)
        second, end = late_bounces(connection, 1, older)
    assert [(row.address, row.kind) for row in (*first, *second)] == [
        (PEOPLE[1], FailureKind.COMPLAINT),
        (PEOPLE[0], FailureKind.SOFT),
    ]
    assert end is None


@ON_SQLITE
def test_the_rates_count_only_proved_reports(post: Post) -> None:
    _sent(post)
    with read_only(post.engine) as connection:
        status = read_bounces(connection, post.hands.at)
    assert {kind: status.reports.of(kind) for kind in FailureKind} == {"hard": 0, "soft": 1, "complaint": 1}
    assert (status.reports.rejected, status.accepted, status.complaint_rate) == (1, 2, 0.5)


@ON_SQLITE
def test_webhooks_and_the_story_of_an_address_show_why_a_message_came_back(post: Post) -> None:
    _sent(post)
    with read_only(post.engine) as connection:
        listed = delivery_list.bounced(connection, 10)
        (ada,) = (each for each in listed if each.state == "accepted" and "soft" in each.why)
        assert ada.why == "came back (soft): 4.2.2 452 mailbox full"
        assert len(listed) == 3
        assert delivery_list.bounced(connection, 10, before=min(each.id for each in listed)) == []
        told = story(connection, ada.recipient, CUT, post.hands.at + timedelta(hours=1))
    assert told.messages[0].why == ada.why


def test_the_newest_are_read_by_their_index(post: Post) -> None:
    _sent(post)
    if post.engine.dialect.name == "postgresql":
        with transaction(post.engine) as connection:
            connection.execute(text("ANALYZE bounces"))
    plan = plan_of(post.engine, lambda connection: late_bounces(connection, 50))
    assert "ix_bounces_late" in plan

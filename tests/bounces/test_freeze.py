"""A storm of hard failures freezes automatic suppression until an operator decides about the reports."""

from datetime import timedelta

from sqlalchemy import insert, select

from digest.bounces.freeze import unfreeze
from digest.bounces.report import ReportKind
from digest.database.engine import read_only, transaction
from digest.database.tables import bounces, subscribers, suppressions
from digest.ledger import events
from digest.ledger.kinds import FailureEffect
from digest.mail.suppression_guard import count_held, frozen, note
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import Consent
from tests.bounces.builders import SIGNING, Post, subscribe
from tests.bounces.builders import post as post
from tests.support.scenario import MORNING, ON_SQLITE, SECRET, add_subscriber
from tests.support.smtp_server import Step


def _people(count: int, domain: str = "example.com") -> list[str]:
    return [f"p{number}@{domain}" for number in range(count)]


def _suppressed(post: Post) -> int:
    with read_only(post.engine) as connection:
        return len(connection.execute(select(suppressions.c.key)).all())


def _why(post: Post) -> str:
    with read_only(post.engine) as connection:
        freeze = frozen(connection)
    return freeze.why if freeze else ""


def test_twenty_failures_of_one_provider_in_a_row_freeze_suppression_and_later_reports_are_held(post: Post) -> None:
    people = _people(25)
    subscribe(post, *people)
    post.send()
    effects = [post.accept(post.report(address)).effect for address in people]
    assert effects == [FailureEffect.SUPPRESSED] * 19 + [FailureEffect.HELD] * 6
    assert _why(post) == "example.com reported 20 addresses in a row as wrong"
    with read_only(post.engine) as connection:
        assert events.latest(connection, 1, "suppression")[0].what == "frozen"
        assert count_held(connection, 100) == 6


def test_a_complaint_during_a_freeze_is_held(post: Post) -> None:
    people = _people(21)
    subscribe(post, *people)
    post.send()
    for address in people[:20]:
        post.accept(post.report(address))
    assert post.accept(post.report(people[20], ReportKind.COMPLAINT)).effect is FailureEffect.HELD


@ON_SQLITE
def test_an_operator_can_apply_the_held_reports(post: Post) -> None:
    people = _people(25)
    subscribe(post, *people)
    post.send()
    for address in people:
        post.accept(post.report(address))
    unfrozen = unfreeze(post.engine, post.hands.at)
    assert unfrozen is not None
    assert unfrozen.effects == {FailureEffect.SUPPRESSED: 6}
    assert (_suppressed(post), _why(post)) == (25, "")
    assert unfreeze(post.engine, post.hands.at) is None


@ON_SQLITE
def test_an_operator_can_discard_the_held_reports_and_the_suppressions_of_the_hour_before(post: Post) -> None:
    people = _people(25)
    subscribe(post, *people)
    post.send()
    for address in people:
        post.accept(post.report(address))
    unfrozen = unfreeze(post.engine, post.hands.at, discard=True)
    assert unfrozen is not None
    assert (unfrozen.effects, unfrozen.lifted) == ({FailureEffect.DISCARDED: 6}, 19)
    assert _suppressed(post) == 0
    with read_only(post.engine) as connection:
        assert set(connection.scalars(select(bounces.c.effect))) == {"discarded"}


@ON_SQLITE
def test_refusals_in_the_session_also_freeze_suppression_and_are_held(post: Post) -> None:
    subscribe(post, *_people(25))
    post.server.always(Step.RCPT, "550 5.1.1 no such user")
    post.send()
    assert _why(post)
    held = _suppressed(post)
    assert held < 50
    post.send(1)
    assert _suppressed(post) == held


def test_failures_of_several_providers_freeze_if_they_are_a_large_share_of_the_list(post: Post) -> None:
    now = MORNING
    mixed = [f"{number % 7}.example.org" for number in range(1000)]
    _have_a_thousand_subscribers(post)
    with transaction(post.engine) as connection:
        note(connection, mixed[:20], now)
        assert frozen(connection) is None, "20 of 1,000 are not more than 2 %"
        note(connection, mixed[20:21], now + timedelta(minutes=59))
        freeze = frozen(connection)
    assert freeze is not None
    assert freeze.why == "21 addresses of 1,000 subscribers were reported as wrong within an hour"


@ON_SQLITE
def test_failures_over_more_than_an_hour_do_not_add_up(post: Post) -> None:
    _have_a_thousand_subscribers(post)
    with transaction(post.engine) as connection:
        for tens in range(20):
            note(connection, ["example.com"] * 5 + ["example.org"] * 5, MORNING + timedelta(minutes=40 * tens))
        assert frozen(connection) is None


@ON_SQLITE
def test_failures_of_one_provider_with_hours_between_them_are_not_in_a_row(post: Post) -> None:
    with transaction(post.engine) as connection:
        for number in range(40):
            note(connection, ["example.com"], MORNING + timedelta(minutes=61 * number))
        assert frozen(connection) is None


@ON_SQLITE
def test_addresses_that_strangers_signed_up_cannot_freeze_it(post: Post) -> None:
    """Their confirmations fail, and they get no issue."""
    for address in _people(30):
        subscriptions.subscribe(post.engine, address, Consent(post.hands.at, requested_from="", form="site"), SECRET)
    post.server.always(Step.RCPT, "550 5.1.1 no such user")
    post.hands.deliver(desk_=SIGNING)
    assert _why(post) == ""
    assert _suppressed(post) == 30


def _have_a_thousand_subscribers(post: Post) -> None:
    add_subscriber(post.engine, "p0@example.com")
    with transaction(post.engine) as connection:
        row = dict(connection.execute(select(subscribers)).one()._mapping)
        others = [row | {"id": row["id"] + n, "email": f"p{n}@example.com", "key": f"{n:032}"} for n in range(1, 1000)]
        connection.execute(insert(subscribers), others)

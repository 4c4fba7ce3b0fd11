"""Refused messages: their order, parts, sums and filters."""

from datetime import timedelta

import pytest
from sqlalchemy import Engine, update

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.ledger.kinds import RefusalClass, SuppressionReason, code_subject
from digest.ledger.replies import ReplyClass, count_replies
from digest.monitoring import refusals as module
from digest.monitoring.refusals import RefusalSearch, refusal_sums, refusals
from digest.subscribers.suppressions import suppress
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, cut
from tests.web.console.operators_pages import plan_of

CODES = ("5.1.1", "5.7.26", "", "5.2.2", "5.1.1", "5.1.10")


@pytest.fixture
def refused(engine: Engine) -> Engine:
    """Six refusals at two instants, from the first to the last subscriber."""
    people = [add_subscriber(engine, f"{n}@{'big' if n % 2 else 'small_'}.example") for n in range(len(CODES))]
    add_papers(engine, range(3))
    cut(engine)
    with transaction(engine) as connection:
        for number, (person, code) in enumerate(zip(people, CODES, strict=True)):
            values = {"state": "refused", "reply_code": 550, "reply_enhanced": code, "reply_text": f"{code} no"}
            at = MORNING + timedelta(minutes=number // 3)
            change = update(deliveries).where(deliveries.c.subscriber_id == person.id)
            connection.execute(change.values(finished_at=at, **values))
        suppress(connection, people[0].key, SuppressionReason.REFUSED, "550 5.1.1", MORNING)
        suppress(connection, people[1].key, SuppressionReason.OPERATOR, "by phone", MORNING)
        count_replies(connection, DAY, {("a.example", ReplyClass.REFUSED): 6, ("a.example", ReplyClass.ACCEPTED): 9})
    return engine


def all_of(engine: Engine, limit: int, **wanted) -> list[str | None]:
    """The addresses of a search, read in parts."""
    addresses, before = [], None
    for _ in range(20):
        with read_only(engine) as connection:
            rows, before = refusals(connection, RefusalSearch(before=before, **wanted), limit)
        addresses += [row.address for row in rows]
        if before is None:
            return addresses
    raise AssertionError("the list does not end")


def test_parts_neither_repeat_nor_omit_and_begin_with_the_newest(refused: Engine) -> None:
    whole = [f"{n}@{'big' if n % 2 else 'small_'}.example" for n in range(6)]
    for limit in (1, 2, 3, 6, 50):
        addresses = all_of(refused, limit)
        assert (sorted(addresses[:3]), sorted(addresses[3:])) == (whole[3:], whole[:3])


@pytest.mark.parametrize("looked_through", [1, 2, 100])
def test_a_domain_is_found_however_far_back(refused: Engine, monkeypatch, looked_through: int) -> None:
    monkeypatch.setattr(module, "_LOOKED_THROUGH", looked_through)
    assert sorted(all_of(refused, 2, domain="small_.example")) == [f"{n}@small_.example" for n in (0, 2, 4)]
    assert all_of(refused, 2, domain="smallx.example") == [], "an underscore is no pattern"


@pytest.mark.parametrize("looked_through", [1, 4, 100])
def test_refusals_are_told_apart_by_what_their_code_is_about(refused: Engine, monkeypatch, looked_through: int) -> None:
    monkeypatch.setattr(module, "_LOOKED_THROUGH", looked_through)
    assert [code_subject(code) for code in CODES] == ["address", "policy", "other", "mailbox", "address", "address"]
    for about in RefusalClass:
        found = all_of(refused, 1, about=about)
        numbers = sorted(int(address[0]) for address in found if address)
        assert numbers == [n for n, code in enumerate(CODES) if code_subject(code) == about]


def test_sums_count_codes_domains_and_who_was_suppressed_for_it(refused: Engine) -> None:
    with read_only(refused) as connection:
        sums = refusal_sums(connection, MORNING)
        later = refusal_sums(connection, MORNING + timedelta(minutes=1))
    assert sums.by_code == {"5.1.1": 2, "5.7.26": 1, "": 1, "5.2.2": 1, "5.1.10": 1}
    assert (sums.total, sums.by_domain, sums.suppressed) == (6, {"other": 6}, 1)
    assert (later.total, later.suppressed) == (3, 0)
    assert not sums.is_partial


def test_sums_by_code_are_of_the_newest_refusals_alone(refused: Engine, monkeypatch) -> None:
    monkeypatch.setattr(module, "_COUNTED", 3)
    with read_only(refused) as connection:
        sums = refusal_sums(connection, MORNING)
        since = refusal_sums(connection, MORNING + timedelta(minutes=1))
    assert (sums.by_code, sums.is_partial) == (since.by_code, True)


def test_the_newest_refusals_are_read_by_their_index(refused: Engine) -> None:
    position = (MORNING, 3)
    plan = plan_of(refused, lambda connection: refusals(connection, RefusalSearch(before=position), 50))
    assert "ix_deliveries_refused" in plan

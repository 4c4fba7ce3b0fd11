"""Subscribers who want only what they follow get no other paper, and no email on a day without any."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

import pytest

from digest.database.engine import read_only
from digest.issues.explain import explain_list, why_no_list
from digest.issues.selection import CachedIssue, Pool
from digest.issues.store import issue_on
from digest.papers.ranking import FLOOR
from digest.subscribers.subscriber import Balance, Preferences
from tests.issues.selection.test_sent_lists import A_DAY, ledger
from tests.issues.test_real_lists import collect, lines
from tests.mail.delivery.builders import hands, opened
from tests.mail.delivery.test_further_cards import redesigned
from tests.support.scenario import DAY, LANGUAGES, MORNING, ON_SQLITE, PLAN, add_papers, add_subscriber, cut
from tests.support.smtp_server import KEEP_AND_HANG_UP, Step

__all__ = ["hands", "redesigned"]  # fixtures

SHORT = replace(PLAN, papers=5)  # the issue's page; most of the pool is beyond it
NOTHING = ("skipped", "nothing new that they follow")
ONLY = {"balance": Balance.ONLY, "keywords": ("diffusion",)}


def ids(*numbers):
    return {f"2603.{number:05}" for number in numbers}


def send(engine, hands, days, numbers=range(0), **details):
    now = MORNING + days * A_DAY
    add_papers(engine, numbers, now - timedelta(hours=1), listed_at=now - timedelta(hours=6), **details)
    published = cut(engine, DAY + days * A_DAY, plan=SHORT)
    hands.at = now + timedelta(hours=2)
    hands.deliver()
    return published.issue_id


def words_of(taken):
    parts = {kind: opened(taken).get_body((kind,)).get_content() for kind in ("plain", "html")}
    return {kind: " ".join(text.split()) for kind, text in parts.items()}


def test_each_paper_matches_and_a_day_without_any_brings_no_email(engine, hands):
    ada = add_subscriber(engine, "ada@example.com", papers=2, surprise=True, full_lists=True, **ONLY)
    add_subscriber(engine, "ben@example.com")
    add_papers(engine, range(20, 23), abstract="A diffusion model.")  # beyond the best of the issue
    send(engine, hands, 0, range(10))
    send(engine, hands, 1)
    empty = send(engine, hands, 2, range(30, 40))
    send(engine, hands, 3, range(50, 51), title="Diffusion without noise")
    first, left, skipped, last = ledger(engine, ada)
    chosen = [{pick.paper_id for pick in each[2].picks} for each in (first, left, last)]
    assert (len(chosen[0]), chosen[0] | chosen[1], chosen[2]) == (2, ids(20, 21, 22), ids(50))
    assert skipped == ("skipped", "nothing new that they follow", None)
    with read_only(engine) as connection:
        assert why_no_list(connection, empty, ada.key).startswith("no new paper matched")
        issue = issue_on(connection, "daily", DAY, whole=True)
    assert explain_list(engine, CachedIssue(issue, Pool(issue)), ada.key, {}).same
    hers, others = hands.server.taken_for("ada@example.com"), hands.server.taken_for("ben@example.com")
    for taken in hers:
        for words in words_of(taken).values():
            assert "You get only papers that match what you follow" in words
            assert "Chosen for you" not in words
            assert "We didn’t email you" not in words
    assert not any("You get only papers" in words for taken in others for words in words_of(taken).values())


@pytest.mark.parametrize("code", ["en", "zh-CN"])
def test_a_retry_is_the_same_message(engine, hands, redesigned, code):
    add_subscriber(engine, "ada@example.com", language=code, **ONLY)
    add_papers(engine, range(3), abstract="A diffusion model.")
    cut(engine, plan=SHORT)
    hands.server.answer(Step.END, KEEP_AND_HANG_UP)
    hands.deliver()
    hands.at += timedelta(minutes=10)
    hands.deliver("two", redesigned)
    first, again = hands.server.taken
    assert first.content == again.content


def test_pinned_papers_and_old_rules_bring_nothing_else(engine):
    add_papers(engine, range(8))
    add_papers(engine, range(8, 10), abstract="A diffusion model.")
    cut(engine, plan=SHORT)
    with read_only(engine) as connection:
        issue = issue_on(connection, "daily", DAY, whole=True)
    best = replace(issue.papers[0], terms=replace(issue.papers[0].terms, pinned=1))
    pinned = replace(issue, papers=(best, *issue.papers[1:]))
    for each in (pinned, replace(issue, settings=replace(issue.settings, rules=""))):
        selection = Pool(each, languages=LANGUAGES).select(Preferences(**ONLY), set())
        assert {pick.paper_id for pick in selection.picks} == ids(8, 9)


@ON_SQLITE
def test_recorded_days_bring_each_new_paper_that_matches_and_nothing_else(engine, hands, shared_data):
    first, last = date(2026, 5, 15), date(2026, 5, 25)
    every = lines(shared_data / "hf" / "daily_papers.jsonl.gz")
    listed = [row for row in every if first.isoformat() <= row["date"] <= last.isoformat()]
    by_day = {day: list(rows) for day, rows in groupby(listed, key=lambda row: row["date"])}
    ada = add_subscriber(engine, "ada@example.com", **ONLY)
    sent = {}
    for after in range((last - first).days + 1):
        day = first + after * A_DAY
        collect(engine, "huggingface", by_day.get(day.isoformat(), []), datetime.combine(day, time(5), UTC))
        cut(engine, day, plan=replace(SHORT, pool_days=7, floor=FLOOR))
        hands.at = datetime.combine(day, time(8), UTC)
        hands.deliver()
        sent[day] = ledger(engine, ada)[-1]
    chosen = [pick.paper_id for _state, _reason, selection in sent.values() if selection for pick in selection.picks]
    words = {row["id"]: f"{row['title']} {row['summary']}" for row in listed}
    matching = {paper_id for paper_id, text in words.items() if re.search(r"(?<!\w)diffusion", text, re.IGNORECASE)}
    assert set(chosen) == matching
    assert len(chosen) == len(matching) > 20
    without = {day for day, (state, reason, _selection) in sent.items() if (state, reason) == NOTHING}
    assert without == {day for day, (state, *_rest) in sent.items() if state != "accepted"}
    assert date(2026, 5, 24) in without  # a Sunday, on which nothing was listed
    assert len(hands.server.taken) == len(sent) - len(without)

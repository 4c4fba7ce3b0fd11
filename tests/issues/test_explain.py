"""Explain gives every list exactly as it was sent, and its numbers add up."""

import gzip
import json
import random
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache

import pytest
from sqlalchemy import insert, select
from typer.testing import CliRunner

from digest.cli.main import app
from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, opinions
from digest.issues.explain import BadWeight, Move, explain_list, with_weights
from digest.issues.selection import CachedIssue, IssueCache, Pool, packed_selection
from digest.issues.shrinking import WHOLE_FOR, shrink_old_pools
from digest.issues.store import issue_by_id, issue_on
from digest.ledger import transitions
from digest.ledger.queueing import NewDelivery, queue_delivery
from digest.ledger.sending import DeliveryResult, MessageRecord, claim, mark_sending, record
from digest.mail.delivery.choose import choose
from digest.mail.delivery.journal import Journal
from digest.papers.paper import Paper, Votes
from digest.papers.ranking import RankingWeights, rank
from digest.papers.store import keep_papers, keep_votes, pool
from digest.subscribers import subscriptions
from digest.subscribers.subscriber import Frequency
from tests.support.scenario import DAY, LANGUAGES, MORNING, PLAN, SECRET, add_papers, add_subscriber, cut, paper

A_DAY, AN_HOUR = timedelta(days=1), timedelta(hours=1)
ISSUES, PAPERS_A_DAY = 12, 12
# Made-up papers consist of these, and subscribers follow them.
WORDS = ("attention", "diffusion", "agents", "robot", "speech", "protein", "graph", "safety", "benchmark", "rag")
LABS = ("An Institute", "Another Lab", "A Company", "")
NAMES = ("Ada Lovelace", "Alan Turing", "Grace Hopper", "Emmy Noether")


def cached(issue):
    return CachedIssue(issue, Pool(issue, languages=LANGUAGES))


@pytest.fixture
def journal(tmp_path):
    with closing(Journal(tmp_path / "journal", "worker")) as journal:
        yield journal


def send_all(engine, now, journal):
    """Record due deliveries as accepted, without a mail server."""
    issues = IssueCache(engine, LANGUAGES)
    while True:
        with transaction(engine) as connection:
            claims = claim(connection, "worker", 500, now)
        if not claims:
            return
        with transaction(engine) as connection:
            choice = choose(connection, "worker", claims, issues, journal)
            for number, reason in choice.skipped.items():
                transitions.skip(connection, number, reason, now)
            messages = [
                MessageRecord(draft.delivery.id, "m@example.org", "a" * 64, DAY, packed(draft, issues))
                for draft in choice.drafts
            ]
            mark_sending(connection, "worker", messages)
            results = [DeliveryResult(draft.delivery.id, "accepted", now, 250) for draft in choice.drafts]
            record(connection, "worker", results)


def packed(draft, issues):
    return packed_selection(draft.selection, issues.get(draft.issue.id).pool.ranks)


def made_up(dice, day):
    titles = (f"{dice.choice(WORDS)} {number} of {day:%d %B} by {dice.choice(WORDS)}" for number in range(PAPERS_A_DAY))
    return [
        paper(
            number,
            id=f"{day:%y%m}.{day:%d}{number:03}",
            title=title,
            organization=dice.choice(LABS),
            authors=tuple(dice.sample(NAMES, 2)),
            categories=(dice.choice(("cs.CL", "cs.CV", "math.CO", "stat.ML")),),
            listed_at=datetime.combine(day, datetime.min.time(), tzinfo=UTC),
        )
        for number, title in enumerate(titles)
    ]


@cache
def recorded_days(shared_data):
    """The rows of the last recorded days, oldest day first."""
    by_day = {}
    with gzip.open(shared_data / "hf" / "daily_papers.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            by_day.setdefault(row["date"], []).append(row)
    return [by_day[day] for day in sorted(by_day)[-ISSUES:]]


def recorded(shared_data, day):
    """A real day, as if it had been listed on `day`."""
    at = datetime.combine(day, datetime.min.time(), tzinfo=UTC)
    return [
        Paper(
            row["id"],
            row["title"],
            row.get("summary") or "",
            "",
            tuple(map(str, row.get("authors") or ())),
            str(row.get("organization") or ""),
            listed_at=at,
        )
        for row in recorded_days(shared_data)[(day - DAY).days][: 2 * PAPERS_A_DAY]
    ]


def wants(dice):
    def some(words, most=2):
        return tuple(dice.sample(words, dice.randint(0, most)))

    if dice.random() < 0.2:
        return {}
    weekly = {"frequency": Frequency.WEEKLY, "weekdays": frozenset({dice.randrange(7)})} if dice.random() < 0.2 else {}
    return weekly | {
        "papers": dice.randint(1, 12),
        "keywords": some(WORDS),
        "muted_words": some(WORDS, 1),
        "labs": some(LABS[:3], 1),
        "authors": some(NAMES, 1),
        "categories": some(("cs", "math.CO", "stat"), 1),
        "topics": some(("speech", "agents", "safety", "graphs")),
        "muted_topics": some(("robotics", "retrieval"), 1),
        "surprise": dice.random() < 0.7,
        "language": dice.choice(("", "en", "zh-CN")),
    }


@pytest.mark.long  # tests/soak has a thousand lists of each kind of papers on each database
@pytest.mark.parametrize(
    ("database_url", "papers_of"), [("postgresql", "made up"), ("sqlite", "recorded")], indirect=["database_url"]
)
def test_each_list_is_explained_as_it_was_sent_and_its_terms_add_up(engine, request, journal, papers_of):
    shared_data = request.getfixturevalue("shared_data") if papers_of == "recorded" else None
    check_lists(engine, shared_data, journal, issues=7, subscribers=20, lists=60)


def check_lists(engine, shared_data, journal, issues, subscribers, lists):
    """Cut and send issues, recorded or made up, and explain some of the lists; a soak explains a thousand."""
    dice = random.Random(20260304)
    subscribers = [
        add_subscriber(engine, f"reader{number}@example.com", **wants(dice)) for number in range(subscribers)
    ]
    for number in range(issues):
        day = DAY + number * A_DAY
        now = MORNING + number * A_DAY
        papers = recorded(shared_data, day) if shared_data else made_up(dice, day)
        with transaction(engine) as connection:
            keep_papers(connection, "huggingface", now - AN_HOUR, papers)
            keep_votes(
                connection, [Votes(paper.id, "huggingface", now - AN_HOUR, dice.randint(0, 90)) for paper in papers]
            )
            feedback = {(dice.choice(subscribers).id, dice.choice(papers).id) for _ in range(10)}
            rows = [
                {"subscriber_id": who, "paper_id": what, "said": dice.choice(("more", "less", "read")), "at": now}
                for who, what in feedback
            ]
            connection.execute(insert(opinions), rows)
        cut(engine, day)
        send_all(engine, now + AN_HOUR, journal)
    with read_only(engine) as connection:
        columns = (deliveries.c.issue_id, deliveries.c.recipient, deliveries.c.picks)
        sent = connection.execute(select(*columns).where(deliveries.c.state == "accepted")).all()
        issues_by_id = {number: cached(issue_by_id(connection, number)) for number in {row.issue_id for row in sent}}
    assert {cached_issue.issue.kind for cached_issue in issues_by_id.values()} == {"daily", "weekly"}
    assert len(sent) >= lists
    named = 0
    for row in dice.sample(sent, lists):
        explained = explain_list(engine, issues_by_id[row.issue_id], row.recipient, {})
        ranks = issues_by_id[row.issue_id].pool.ranks
        assert packed_selection(explained.chosen.selection, ranks) == row.picks
        assert explained.same, (explained, row)
        for pick in explained.chosen.selection.picks:
            assert Decimal(str(pick.score)) == sum(Decimal(str(value)) for value in pick.terms.values())
            named += len(pick.terms) > 1
    assert named > lists


def test_a_list_with_papers_beyond_the_best_is_explained(engine, journal, database_url, monkeypatch):
    add_papers(engine, range(12))
    ada = add_subscriber(engine, "ada@example.com", papers=4, keywords=("number 11",))
    cut(engine, plan=replace(PLAN, papers=3))
    send_all(engine, MORNING + AN_HOUR, journal)
    with read_only(engine) as connection:
        issue = issue_on(connection, "daily", DAY, whole=True)
    explained = explain_list(engine, cached(issue), ada.key, {"keyword": 0})
    assert explained.same
    assert paper(11).id in {pick.paper_id for pick in explained.chosen.selection.picks} - {
        ranked.paper.id for ranked in issue.papers
    }
    assert Move(paper(11).id, 1, 4) in explained.moves
    other = with_weights(issue, {"waiting": 0.05})
    assert (len(other.papers), len(other.others)) == (3, 9)
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    monkeypatch.setenv("DIGEST_SECRET_KEY", SECRET.decode())
    shown = CliRunner().invoke(app, ["explain", "--issue", f"{DAY}", "--subscriber", "ada@example.com"]).stdout
    assert f"{paper(11).id}  Paper number 11" in shown
    assert "rank 12 of the issue" in shown


def test_a_list_of_long_ago_keeps_its_papers_and_numbers_when_the_others_of_its_pool_are_deleted(
    engine, journal, database_url, monkeypatch
):
    add_papers(engine, range(12))
    ada = add_subscriber(engine, "ada@example.com", papers=4, keywords=("number 11",))
    add_subscriber(engine, "ben@example.com", papers=4, keywords=("number 10",))
    cut(engine, plan=replace(PLAN, papers=3))
    shrink_old_pools(engine, MORNING + WHOLE_FOR + A_DAY)  # nothing yet: lists may still be chosen
    send_all(engine, MORNING + AN_HOUR, journal)
    shrink_old_pools(engine, MORNING + WHOLE_FOR)
    with read_only(engine) as connection:
        whole = issue_on(connection, "daily", DAY, whole=True)
    for _again in range(2):
        shrink_old_pools(engine, MORNING + WHOLE_FOR + timedelta(seconds=1))
    with read_only(engine) as connection:
        issue = issue_on(connection, "daily", DAY, whole=True)
    assert (whole.is_shrunk, len(whole.pool), issue.is_shrunk) == (False, 12, True)
    assert issue.pool == (*whole.papers, *(ranked for ranked in whole.others if ranked.rank in (11, 12)))
    before, after = (explain_list(engine, cached(each), ada.key, {"keyword": 0}) for each in (whole, issue))
    assert (before.same, after.same, after.chosen, after.own) == (True, None, before.chosen, before.own)
    assert after.since_then == "the whole pool that it was chosen from is no longer kept"
    assert Move(paper(11).id, 1, 4) in after.moves
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    monkeypatch.setenv("DIGEST_SECRET_KEY", SECRET.decode())
    of_list = CliRunner().invoke(app, ["explain", "--issue", f"{DAY}", "--subscriber", "ada@example.com"]).stdout
    assert "rank 12 of the issue" in of_list
    of_issue = CliRunner().invoke(app, ["explain", "--issue", f"{DAY}"]).stdout
    assert "only those that someone was sent are still kept" in of_issue


# --- what changed since, and other weights ---


@pytest.fixture
def sent(engine, journal):
    """A subscriber who was sent a message, and its issue."""
    add_papers(engine, range(12))
    subscriber = add_subscriber(engine, "ada@example.com", papers=4, keywords=("number 7",))
    cut(engine)
    send_all(engine, MORNING + AN_HOUR, journal)
    with read_only(engine) as connection:
        return subscriber, issue_on(connection, "daily", DAY)


def test_what_the_subscriber_changed_since_is_named(engine, sent):
    subscriber, issue = sent
    assert explain_list(engine, cached(issue), subscriber.key, {}).same
    other = replace(subscriber.preferences, papers=3, keywords=())
    subscriptions.change_preferences(engine, subscriber.id, other, MORNING + 2 * A_DAY)
    explained = explain_list(engine, cached(issue), subscriber.key, {})
    assert not explained.same
    assert explained.since_then == "since then the subscriber changed keywords, papers (2026-03-06)"
    assert len(explained.chosen.selection.picks) == 4


def test_the_list_of_a_deleted_subscriber_is_still_explained(engine, sent):
    subscriber, issue = sent
    subscriptions.erase(engine, subscriber.id, MORNING)
    explained = explain_list(engine, cached(issue), subscriber.key, {})
    assert (explained.same, len(explained.chosen.selection.picks)) == (None, 4)


def test_a_list_of_an_earlier_version_has_no_terms_and_is_shown_all_the_same(engine, sent):
    subscriber, issue = sent
    old = {"picks": [[f"2603.{number:05}", ""] for number in range(4)], "left_out": 0}
    with transaction(engine) as connection:
        connection.execute(deliveries.update().values(selection=old, picks=None))
    explained = explain_list(engine, cached(issue), subscriber.key, {})
    assert [pick.paper_id for pick in explained.chosen.selection.picks] == [f"2603.{number:05}" for number in range(4)]
    assert not explained.same


def test_other_weights_rank_the_frozen_pool_as_the_cut_would_have(engine):
    for first, age in ((190, 1), (30, 30), (1, 100)):
        listed = MORNING - age * AN_HOUR
        add_papers(engine, range(first, first + 4), seen_at=listed, listed_at=listed)
    cut(engine)
    with read_only(engine) as connection:
        issue = issue_on(connection, "daily", DAY)
        observed = pool(connection, MORNING - 5 * A_DAY, MORNING)
    other = with_weights(issue, {"waiting": 0})
    assert other.papers == rank(observed, RankingWeights(waiting=0), MORNING)
    assert [ranked.paper.id for ranked in other.papers] != [ranked.paper.id for ranked in issue.papers]
    with pytest.raises(BadWeight, match="no weight 'gravitas'; there are "):
        with_weights(issue, {"gravitas": 1.5})
    with pytest.raises(BadWeight, match="does not know"):
        with_weights(replace(issue, formula="of an earlier version"), {"waiting": 1})


def test_another_weight_shows_what_would_move_in_a_subscribers_list(engine, sent):
    subscriber, issue = sent
    moves = explain_list(engine, cached(issue), subscriber.key, {"keyword": 0.2}).moves
    assert Move("2603.00007", 1, 3) in moves


def test_the_command_shows_the_list_its_terms_and_what_would_move(engine, sent, database_url, monkeypatch):
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)
    monkeypatch.setenv("DIGEST_SECRET_KEY", SECRET.decode())

    def run(*arguments):
        return CliRunner().invoke(app, ["explain", "--issue", "2026-03-04", *arguments])

    mine = ("--subscriber", "ada@example.com", "--what-if", "keyword=0.2")
    document = json.loads(run(*mine, "--json").stdout)
    first = document["papers"][0]
    assert (first["paper"], first["terms"], first["score"]) == (
        "2603.00007",
        {"trending": 0.3155, "keyword": 0.8},
        1.1155,
    )
    assert first["reason"] == "matches your keyword “number 7” · 8th in today’s ranking, 193 votes"
    assert first["ranking"]["score"] == first["ranking"]["terms"]["score"]
    assert (document["same_now"], document["state"]) == (True, "accepted")
    assert {"paper_id": "2603.00007", "before": 1, "after": 3} in document["what_if"]["moves"]
    shown = run(*mine).stdout
    assert "score 1.1155 = +0.3155 trending +0.8 keyword" in shown
    assert "The list would be the same now." in shown
    ranked = run("--what-if", "waiting=0.02")
    assert ranked.exit_code == 0
    assert "  Words of its title and abstract" in ranked.stdout
    assert run("--what-if", "waiting=much").exit_code == 2
    assert run("--what-if", "waiting=nan").exit_code == 2
    assert run("--what-if", "gravitas=2").exit_code == 2
    assert run("--kind", "weekly").exit_code != 0
    assert run("--subscriber", "eve@example.com").exit_code != 0


def test_a_message_that_was_not_begun_has_no_list(engine):
    add_papers(engine, range(3))
    done = cut(engine)
    subscriber = add_subscriber(engine, "ada@example.com")
    with transaction(engine) as connection:
        queue_delivery(
            connection, NewDelivery("digest", DAY, subscriber.key, subscriber.id, MORNING, done.issue_id), MORNING
        )
        issue = issue_by_id(connection, done.issue_id)
    assert explain_list(engine, cached(issue), subscriber.key, {}) is None

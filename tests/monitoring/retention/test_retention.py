"""Old rows are deleted by the settings; sums, guarantees and records of consent stay."""

import json
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import Text, cast, delete, func, select

from digest.database.engine import read_only, transaction
from digest.database.tables import cards, deliveries, events, fragments, issue_papers, subscribers, suppressions, votes
from digest.issues.archive import days_in, paper_and_place, part_of_issue
from digest.issues.audit import audit
from digest.issues.explain import BadWeight, with_weights
from digest.issues.figures import votes_and_scores
from digest.issues.selection.history import papers_by_rank
from digest.issues.store import issue_by_id
from digest.ledger import events as events_log
from digest.ledger.events import acting
from digest.ledger.kinds import State, SuppressionReason
from digest.ledger.received import already_sent
from digest.mail.compose.fragments import keep_fragments
from digest.papers.paper import Votes
from digest.papers.store import keep_votes
from digest.subscribers.suppressions import suppress
from tests.support.scenario import DAY, MORNING, add_papers, add_subscriber, change_deliveries, cut

LATER = MORNING + timedelta(days=201)
MUCH_LATER = MORNING + timedelta(days=401)


@pytest.fixture
def run(command, database_url, clock, monkeypatch):
    """Run `digest retention` at an instant; returns the rows of each table."""
    monkeypatch.setenv("DIGEST_DATABASE_URL", database_url)

    def run(at, *options):
        clock.move_to(at)
        result = command("retention", "--json", *options)
        assert result.returncode == 0, result.stderr
        return {row["table"]: row["rows"] for row in json.loads(result.stdout)["tables"]}

    return run


def count(engine, table):
    with read_only(engine) as connection:
        return connection.scalar(select(func.count()).select_from(table))


def sent_issue(engine, day=DAY, subscribers=3):
    """An issue whose messages were accepted, with its rendered parts."""
    issue = cut(engine, day)
    with transaction(engine) as connection:
        accepted = {
            "state": "accepted",
            "finished_at": MORNING,
            "selection": {"picks": [["2603.00001", ""]], "left_out": 0},
        }
        change_deliveries(connection, deliveries.c.issue_id == issue.issue_id, **accepted)
        keep_fragments(connection, issue.issue_id, "en", "{}")
    return issue


@pytest.fixture
def three(engine):
    add_papers(engine, range(12))
    return [add_subscriber(engine, f"reader{number}@example.com") for number in range(3)]


def test_an_old_issue_keeps_its_sums_but_no_rows(engine, three, run):
    issue = sent_issue(engine)
    with read_only(engine) as connection:
        before = audit(connection, issue.issue_id)
    assert run(LATER - timedelta(days=2), "--dry-run")["deliveries"] == 0
    assert run(LATER, "--dry-run")["deliveries"] == 3
    assert count(engine, deliveries) == 3  # a dry run deletes nothing
    assert run(LATER)["deliveries"] == 3
    assert count(engine, deliveries) == 0
    with read_only(engine) as connection:
        after = audit(connection, issue.issue_id)
    assert after == before
    assert (after.accepted, after.unexplained) == (3, 0)


@pytest.mark.parametrize("state", [State.UNCERTAIN, State.QUARANTINED, State.QUEUED])
def test_an_issue_with_a_delivery_that_may_change_stays_whole(engine, three, run, state):
    issue = sent_issue(engine)
    with transaction(engine) as connection:
        change_deliveries(connection, deliveries.c.recipient == three[0].key, state=str(state), finished_at=None)
    assert run(LATER)["deliveries"] == 0
    assert count(engine, deliveries) == 3
    assert issue.candidates == 3


def test_the_papers_of_the_pool_days_are_remembered(engine, three, run, monkeypatch):
    sent_issue(engine)
    monkeypatch.setenv("DIGEST_KEEP_DELIVERIES_DAYS", "93")  # the shortest time that the setting allows
    assert run(MORNING + timedelta(days=94), "--dry-run")["deliveries"] == 3
    run(MORNING + timedelta(days=93))
    with read_only(engine) as connection:
        [row] = connection.execute(select(deliveries).where(deliveries.c.recipient == three[0].key)).all()
        claim = type("Claim", (), {"recipient": three[0].key, "id": row.id + 1_000})()
        papers_of = partial(papers_by_rank, connection)
        assert already_sent(connection, [claim], "one", DAY, papers_of)[three[0].key].papers == {"2603.00001"}


def test_consents_suppressions_and_what_people_did_are_kept(engine, three, run):
    with transaction(engine) as connection:
        suppress(connection, "0" * 32, SuppressionReason.ASKED, "", MORNING)
        events_log.record(connection, MORNING, "source:arxiv", "failed", {})
        events_log.record(connection, MORNING, f"issue:{DAY}", "cut", {})
        events_log.record(connection, MORNING, f"subscriber:{three[0].key}", "imported", {})
        events_log.record(connection, MORNING, f"subscriber:{'1' * 32}", "asked to subscribe", {})
        with acting("ada", "shell"):
            events_log.record(connection, MORNING, "sending", "stopped", {})
    assert run(MUCH_LATER)["events"] == 2  # of the source, and of a person who is not stored
    with read_only(engine) as connection:
        left = set(connection.scalars(select(events.c.what)))
    assert left == {"cut", "imported", "stopped"}
    assert (count(engine, subscribers), count(engine, suppressions)) == (3, 1)


def test_the_first_last_and_highest_of_old_votes_stay(engine, run):
    add_papers(engine, range(1))
    with transaction(engine) as connection:
        for hours, upvotes in enumerate([210, 220, 230, 205, 225, 226], start=1):
            at = MORNING + timedelta(hours=hours)
            keep_votes(connection, [Votes("2603.00000", "huggingface", at, upvotes)])
    assert run(LATER + timedelta(days=1))["votes"] == 4
    with read_only(engine) as connection:
        kept = set(connection.scalars(select(votes.c.upvotes)))
    assert kept == {200, 230, 226}


def test_rendered_parts_of_finished_issues_are_deleted(engine, three, run):
    sent_issue(engine)
    assert run(MORNING + timedelta(days=62))["fragments"] == 0
    assert run(MORNING + timedelta(days=63))["fragments"] == 1
    assert (count(engine, fragments), count(engine, cards)) == (0, 0)


def as_shown(engine, issue):
    """An issue as its page, its chart and the list of its month show it, and the rank of its last paper."""
    with read_only(engine) as connection:
        part = part_of_issue(connection, range(1, 100), issue.date)
        charted = votes_and_scores(connection, issue.issue_id)
        return part, charted, days_in(connection, issue.date.replace(day=1)), paper_and_place(connection, "2603.00011")


def letters_in_list(engine, issue):
    letters = func.sum(func.length(cast(issue_papers.c.paper, Text)) + func.length(cast(issue_papers.c.terms, Text)))
    with read_only(engine) as connection:
        return connection.scalar(select(letters).where(issue_papers.c.issue_id == issue.issue_id))


def pages_of_lists(engine):
    with read_only(engine) as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM dbstat WHERE name = 'issue_papers'").scalar_one()


def test_the_list_of_an_old_issue_looks_as_before_and_takes_a_fifth(engine, three, run):
    """No newer issue has its last paper, whose page shows all numbers behind its rank."""
    issue, newer = sent_issue(engine), cut(engine, DAY + timedelta(days=1))
    with transaction(engine) as connection:
        of_last = issue_papers.c.paper_id == "2603.00011"
        connection.execute(delete(issue_papers).where(issue_papers.c.issue_id == newer.issue_id, of_last))
    shown, letters = as_shown(engine, issue), letters_in_list(engine, issue)
    pages = pages_of_lists(engine) if engine.dialect.name == "sqlite" else 0
    assert run(LATER, "--dry-run")["issue_papers"] == 0  # not before its deliveries
    assert run(LATER)["issue_papers"] == 12
    assert as_shown(engine, issue) == shown
    assert letters_in_list(engine, issue) < letters / 5
    assert engine.dialect.name != "sqlite" or pages_of_lists(engine) < pages - 3
    with read_only(engine) as connection:
        whole = issue_by_id(connection, issue.issue_id, whole=True)
    with pytest.raises(BadWeight, match="no longer kept"):
        with_weights(whole, {"waiting": 0.05})
    assert run(LATER)["issue_papers"] == 0

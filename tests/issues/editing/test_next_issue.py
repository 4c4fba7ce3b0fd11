"""Pinned, removed and postponed papers: what is shown before the cut is what the cut stores and people get."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import Engine, event, select

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, editorial_choices
from digest.issues.archive import paper_and_place, part_of_issue
from digest.issues.editing import MOST_PINNED, BadChoice, Choice, EditorialChoice, IssueWasCut, choose, undo
from digest.issues.issue import Issue
from digest.issues.publish import publish, upcoming
from digest.issues.reasons import place_of
from digest.issues.selection.history import papers_by_rank
from digest.issues.store import issue_on
from digest.ledger import events
from digest.ledger.kinds import IssueKind
from digest.ledger.received import ranks_of
from digest.papers.store import withdraw
from digest.subscribers.subscriber import Frequency, Subscriber
from tests.mail.delivery.builders import hands
from tests.support.scenario import DAY, MORNING, ON_SQLITE, PLAN, SECRET, add_papers, add_subscriber, cut, paper

__all__ = ["hands"]  # a fixture

A_DAY = timedelta(days=1)
EVENING = MORNING - timedelta(hours=10)


def make(
    engine: Engine,
    what: str,
    number: int,
    day: date = DAY,
    until: date | None = None,
    at: datetime = EVENING,
    reason: str = "",
) -> bool:
    choice = EditorialChoice(day, paper(number).id, Choice(what), "ada", at, reason, until)
    return choose(engine, replace(choice, at=min(at, MORNING + (day - DAY))))


def issue(engine: Engine, day: date = DAY, kind: str = IssueKind.DAILY) -> Issue:
    with read_only(engine) as connection:
        stored = issue_on(connection, kind, day, whole=True)
    assert stored is not None
    return stored


def numbers(papers) -> list[int]:
    return [int(ranked.paper.id[-5:]) for ranked in papers]


def papers_in(engine: Engine, subscriber: Subscriber, day: date = DAY) -> list[str]:
    """The papers of the subscriber's message of a day."""
    query = select(deliveries.c.issue_id, deliveries.c.picks).where(
        deliveries.c.recipient == subscriber.key, deliveries.c.occasion == day.isoformat()
    )
    with read_only(engine) as connection:
        issue_id, picks = connection.execute(query).one()
        papers = papers_by_rank(connection, issue_id)
        return [papers[rank] for rank in ranks_of(picks)]


def test_what_is_shown_before_the_cut_is_what_the_cut_stores(engine):
    add_papers(engine, range(12))
    old = MORNING - 40 * A_DAY
    add_papers(engine, range(90, 92), seen_at=old, listed_at=old)
    for what, number in (("pinned", 91), ("pinned", 7), ("removed", 0), ("postponed", 1)):
        make(engine, what, number, until=DAY + A_DAY if what == "postponed" else None)
    shown = upcoming(engine, PLAN, MORNING)
    cut(engine)
    assert shown.papers == issue(engine).papers
    assert numbers(shown.papers) == [7, 91, 2, 3, 4, 5, 6, 8, 9, 10, 11]
    assert {choice.paper_id[-2:]: str(choice.choice) for choice in shown.choices} == {
        "91": "pinned", "07": "pinned", "00": "removed", "01": "postponed"
    }  # fmt: skip


def test_no_choice_changes_the_score_of_any_paper_or_the_order_of_the_others(engine):
    add_papers(engine, range(12))
    old = MORNING - 40 * A_DAY
    add_papers(engine, range(90, 91), seen_at=old, listed_at=old)
    before = {ranked.paper.id: ranked.score for ranked in upcoming(engine, PLAN, MORNING).papers}
    make(engine, "pinned", 90)
    make(engine, "pinned", 9)
    make(engine, "removed", 4)
    after = upcoming(engine, PLAN, MORNING).papers
    assert {ranked.paper.id: ranked.score for ranked in after if ranked.paper.id in before} == {
        paper_id: score for paper_id, score in before.items() if paper_id != paper(4).id
    }
    assert numbers(after[2:]) == [0, 1, 2, 3, 5, 6, 7, 8, 10, 11]
    assert [ranked.rank for ranked in after] == list(range(1, 13))


def test_a_pinned_paper_is_named_as_chosen_and_all_others_keep_their_rank(engine):
    add_papers(engine, range(12))
    make(engine, "pinned", 9)
    cut(engine)
    first, second, third = issue(engine).papers[:3]
    assert str(place_of(first, "daily")) == "chosen by the editors, 191 votes"
    assert str(place_of(second, "daily")) == "top of today’s ranking, 200 votes"
    assert str(place_of(third, "daily")) == "2nd in today’s ranking, 199 votes"
    assert (first.terms.as_dict()["pinned"], first.terms.score_rank, first.score_rank) == (1.0, 10.0, 10)
    assert "pinned" not in second.terms.as_dict()
    with read_only(engine) as connection:
        shown = part_of_issue(connection, range(1, 3), DAY)
        _, ranked = paper_and_place(connection, paper(1).id)
    assert [(each.is_pinned, each.score_rank) for each in shown.papers] == [(True, 10), (False, 1)]
    assert ranked.rank == 2


def test_a_pinned_paper_is_in_the_best_even_of_an_issue_with_fewer(engine):
    add_papers(engine, range(5))
    for number in (3, 2, 4):
        make(engine, "pinned", number, at=EVENING + timedelta(minutes=number))
    cut(engine, plan=replace(PLAN, papers=1))
    assert numbers(issue(engine).papers) == [2, 3, 4]
    assert numbers(issue(engine).others) == [0, 1]


def test_a_removed_paper_is_in_no_list_page_or_issue_of_that_date(engine, hands):
    add_papers(engine, range(6))
    weekly = {"frequency": Frequency.WEEKLY, "weekdays": frozenset({DAY.weekday()})}
    ada = add_subscriber(engine, "ada@example.com", keywords=("number 2",))
    bob = add_subscriber(engine, "bob@example.com", **weekly)
    make(engine, "removed", 2)
    cut(engine)
    hands.deliver()
    for kind in ("daily", "weekly"):
        assert paper(2).id not in {ranked.paper.id for ranked in issue(engine, kind=kind).pool}
    assert all(paper(2).id not in papers_in(engine, each) for each in (ada, bob))
    cut(engine, DAY + A_DAY)
    assert paper(2).id in {ranked.paper.id for ranked in issue(engine, DAY + A_DAY).papers}


def test_a_pinned_paper_comes_to_everyone_but_never_twice_and_never_where_it_is_muted(engine, hands):
    add_papers(engine, range(12))
    people = {
        name: add_subscriber(engine, f"{name}@example.com", papers=3, **wants)
        for name, wants in {
            "plain": {},
            "own": {"keywords": ("number 4",), "balance": "mine"},
            "muted": {"muted_words": ("number 9",)},
        }.items()
    }
    make(engine, "pinned", 9)
    cut(engine)
    hands.deliver()
    got = {name: papers_in(engine, person) for name, person in people.items()}
    assert [got[name][0] for name in ("plain", "own")] == [paper(9).id] * 2
    assert {name: len(papers) for name, papers in got.items()} == dict.fromkeys(people, 3)
    assert paper(4).id in got["own"]
    assert paper(9).id not in got["muted"]
    make(engine, "pinned", 9, DAY + A_DAY)
    cut(engine, DAY + A_DAY)
    hands.at = MORNING + A_DAY + timedelta(hours=1)
    hands.deliver()
    assert paper(9).id not in papers_in(engine, people["plain"], DAY + A_DAY)


def test_a_pinned_paper_is_sent_even_on_a_day_with_too_few_others(engine, hands):
    ada = add_subscriber(engine, "ada@example.com")
    add_papers(engine, range(5), MORNING - A_DAY)
    hands.at = MORNING - A_DAY + timedelta(hours=1)
    cut(engine, DAY - A_DAY)
    hands.deliver()
    add_papers(engine, range(5, 9))
    make(engine, "pinned", 8)
    cut(engine, plan=replace(PLAN, floor=100.0))
    hands.at += A_DAY
    hands.deliver()
    assert papers_in(engine, ada) == [paper(8).id]


def test_a_postponed_paper_waits_and_then_counts_as_new_however_old_it_is(engine):
    add_papers(engine, range(3), seen_at=MORNING - A_DAY - timedelta(hours=1))
    back = DAY + 20 * A_DAY
    make(engine, "postponed", 0, until=back)
    for days in (0, 1, 19):
        day = DAY + days * A_DAY
        add_papers(engine, range(10 + days, 11 + days), seen_at=MORNING + (day - DAY) - timedelta(hours=1))
        cut(engine, day)
        assert paper(0).id not in {ranked.paper.id for ranked in issue(engine, day).pool}
    add_papers(engine, range(50, 53), MORNING + 20 * A_DAY - timedelta(hours=1), listed_at=MORNING + 19 * A_DAY)
    for days in (20, 24):
        cut(engine, DAY + days * A_DAY)
        terms = {ranked.paper.id: ranked.terms for ranked in issue(engine, DAY + days * A_DAY).pool}[paper(0).id]
        assert terms.waited_days == pytest.approx(days - 20 + 0.25)
    add_papers(engine, range(60, 61), MORNING + 24 * A_DAY, listed_at=MORNING + 24 * A_DAY)
    cut(engine, DAY + 25 * A_DAY)
    assert paper(0).id not in {ranked.paper.id for ranked in issue(engine, DAY + 25 * A_DAY).pool}


def test_a_choice_is_taken_back_before_the_cut_and_a_running_postponement_ended(engine):
    add_papers(engine, range(3))
    plain = upcoming(engine, PLAN, MORNING).papers
    for what in ("pinned", "removed"):
        make(engine, what, 2)
        assert upcoming(engine, PLAN, MORNING).papers != plain
        assert undo(engine, DAY, paper(2).id, EVENING).choice == what
        assert upcoming(engine, PLAN, MORNING).papers == plain
    assert undo(engine, DAY, paper(2).id, EVENING) is None
    make(engine, "postponed", 2, until=DAY + 9 * A_DAY)
    cut(engine)
    undo(engine, DAY + A_DAY, paper(2).id, MORNING)
    cut(engine, DAY + A_DAY)
    assert paper(2).id in {ranked.paper.id for ranked in issue(engine, DAY + A_DAY).papers}


def test_a_later_choice_replaces_the_one_before_and_each_is_recorded(engine):
    add_papers(engine, range(3))
    with events.acting("ada", "console"):
        assert make(engine, "pinned", 2, reason="by a friend")
        assert not make(engine, "pinned", 2, reason="by a friend")
        assert make(engine, "removed", 2, reason="retracted soon")
    assert numbers(upcoming(engine, PLAN, MORNING).papers) == [0, 1]
    with read_only(engine) as connection:
        recorded = events.latest(connection, 9, f"issue:{DAY}")
    assert [(each.what, each.detail) for each in recorded] == [
        ("paper removed", {"paper": paper(2).id, "reason": "retracted soon", "by": "ada", "through": "console"}),
        ("paper pinned", {"paper": paper(2).id, "reason": "by a friend", "by": "ada", "through": "console"}),
    ]


def test_a_withdrawn_paper_is_in_no_issue_though_it_was_pinned(engine):
    add_papers(engine, range(3))
    make(engine, "pinned", 2)
    with transaction(engine) as connection:
        withdraw(connection, "huggingface", [paper(2).id], EVENING)
    cut(engine)
    assert numbers(issue(engine).papers) == [0, 1]
    with pytest.raises(BadChoice, match="was withdrawn"):
        make(engine, "pinned", 2, DAY + A_DAY)


def test_wrong_choices_are_refused_with_the_reason(engine):
    add_papers(engine, range(MOST_PINNED + 1))
    for number in range(MOST_PINNED):
        make(engine, "pinned", number)
    for what, number, day, until, words in (
        ("pinned", MOST_PINNED, DAY, None, "10 papers are pinned"),
        ("removed", 99, DAY, None, "there is no paper 2603.00099"),
        ("postponed", 1, DAY, DAY, "to a date after 2026-03-04"),
        ("removed", 1, DAY - 9 * A_DAY, None, "that date is over"),
    ):
        with pytest.raises(BadChoice, match=words):
            choose(engine, EditorialChoice(day, paper(number).id, Choice(what), "ada", EVENING, "", until))
    cut(engine)
    for change in (lambda: make(engine, "removed", 1, at=MORNING), lambda: undo(engine, DAY, paper(1).id, MORNING)):
        with pytest.raises(IssueWasCut, match="the issue of 2026-03-04 is cut"):
            change()


def test_one_transaction_decides_between_the_cut_and_a_choice_at_the_same_time(engine):
    """A choice that was taken is in the issue; any other is refused."""
    add_papers(engine, range(4))
    for attempt in range(6):
        day, start = DAY + attempt * A_DAY, threading.Barrier(2)

        def cut_it(day=day, start=start):
            start.wait()
            return publish(engine, PLAN, day, MORNING)

        def remove(day=day, start=start):
            start.wait()
            try:
                return make(engine, "removed", 0, day)
            except IssueWasCut:
                return False

        with ThreadPoolExecutor(2) as pool:
            done, removed = pool.submit(cut_it), pool.submit(remove)
        assert done.result().created
        assert (paper(0).id not in {ranked.paper.id for ranked in issue(engine, day).papers}) == removed.result()


def test_a_cut_that_dies_is_repeated_with_the_same_list(engine):
    add_papers(engine, range(6))
    add_subscriber(engine, "ada@example.com")
    make(engine, "pinned", 4)
    make(engine, "removed", 0)
    shown = upcoming(engine, PLAN, MORNING).papers

    def die(_connection, _cursor, statement, *_rest):
        if statement.startswith("INSERT INTO deliveries"):
            raise KeyboardInterrupt

    event.listen(engine, "before_cursor_execute", die)
    with pytest.raises(KeyboardInterrupt):
        cut(engine)
    event.remove(engine, "before_cursor_execute", die)
    with read_only(engine) as connection:
        assert issue_on(connection, IssueKind.DAILY, DAY) is None
        assert len(connection.execute(select(editorial_choices)).all()) == 2
    cut(engine)
    assert issue(engine).papers == shown
    with read_only(engine) as connection:
        assert len(connection.execute(select(deliveries)).all()) == 1


def test_choices_that_no_issue_can_need_any_more_are_deleted(engine):
    add_papers(engine, range(3))
    make(engine, "removed", 0)
    make(engine, "postponed", 1, until=DAY + 5 * A_DAY)
    for days, left in ((0, 2), (32, 1), (37, 0)):
        add_papers(engine, range(10 + days, 12 + days), MORNING + days * A_DAY, listed_at=MORNING + days * A_DAY)
        cut(engine, DAY + days * A_DAY)
        with read_only(engine) as connection:
            assert len(connection.execute(select(editorial_choices)).all()) == left


# --- in the shell ---


@ON_SQLITE
def test_the_shell_changes_the_next_issue_and_shows_who_did_it_and_why(engine, database_url, command, clock):
    clock.move_to(EVENING)
    add_papers(engine, range(3), EVENING - timedelta(hours=1), listed_at=EVENING - timedelta(hours=2))
    add_papers(engine, range(3, 4), EVENING - timedelta(hours=1), title="A singular title", url="https://one.example/a")
    cut(engine, EVENING.date(), EVENING - timedelta(minutes=5))
    options = {"DIGEST_DATABASE_URL": database_url, "DIGEST_SECRET_KEY": SECRET.decode(), "DIGEST_OPERATOR": "ada"}

    def run(*words: str):
        return command(*words, **options)

    assert "is pinned for the issue of 2026-03-04" in run("papers", "pin", "a SINGULAR", "--dry-run").stderr.replace(
        "would be", "is"
    )
    assert json.loads(run("upcoming", "--json").stdout)["choices"] == []
    run("papers", "pin", "a SINGULAR", "--reason", "worth a look")
    run("papers", "remove", "https://arxiv.org/abs/2603.00001v2", "--date", "2026-03-04")
    assert run("papers", "postpone", "2603.00002", "--until", "2026-03-09").returncode == 0
    text = run("upcoming").stdout
    assert "2603.00003 was pinned by ada at 2026-03-03 20:00 UTC: worth a look.\n" in text
    assert "2603.00002 was postponed to 2026-03-09 by ada at 2026-03-03 20:00 UTC.\n" in text
    assert [line.split()[0] for line in text.splitlines()[-2:]] == ["pinned", "1"]
    document = json.loads(run("upcoming", "--json").stdout)
    assert [(each["paper"], each["pinned"]) for each in document["papers"]] == [
        ("2603.00003", True), ("2603.00000", False)
    ]  # fmt: skip
    done = json.loads(run("papers", "undo", "2603.00002", "--json").stdout)
    assert done["undone"]["until"] == "2026-03-09"
    assert "Nothing changed" in run("papers", "undo", "2603.00002").stderr


@ON_SQLITE
def test_a_paper_that_nobody_knows_or_a_wrong_date_ends_with_2_and_a_sentence(engine, database_url, command, clock):
    clock.move_to(EVENING)
    add_papers(engine, range(3), EVENING)
    options = {"DIGEST_DATABASE_URL": database_url, "DIGEST_SECRET_KEY": SECRET.decode()}
    for words, expected in (
        (("pin", "2603.99999"), "No paper has the id '2603.99999'"),
        (("pin", "Paper number"), "Several papers begin with 'Paper number'; name one by its id:"),
        (("remove", "2603.00000", "--date", "2026-03-01"), "Nothing changed: no issue of 2026-03-01 will be cut"),
        (("postpone", "2603.00000", "--until", "2026-03-01"), "Nothing changed: a paper is postponed to a date after"),
        (("postpone", "2603.00000"), "Missing option '--until'"),
    ):
        done = command("papers", *words, **options)
        assert (done.returncode, expected in done.stderr) == (2, True), done.stderr

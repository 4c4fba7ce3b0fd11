"""The page about the next issue: what it shows is what is cut, and what operators change before."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from digest.database.engine import read_only, transaction
from digest.database.tables import papers
from digest.issues.store import issue_on
from digest.ledger import events
from tests.support.scenario import PLAN, add_papers, add_subscriber, cut, paper
from tests.web.conftest import START, Visit
from tests.web.console.conftest import do

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
TOMORROW = START.date() + timedelta(days=1)
NEXT = "/console/next"


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine must not make the page answer that it still counts."""
    monkeypatch.setattr("digest.web.console.forecast._FIRST", 60.0)


def listed(page: str) -> list[str]:
    """The titles in the list, in its order."""
    return re.findall(r'<h3 dir="auto"><a [^>]*>([^<]+)', page[page.index('id="list"') :])


def choose(ada, what: str, number: int, **fields: str) -> str:
    return do(ada, f"{NEXT}/{what}", paper=paper(number).id, day=str(TOMORROW), **fields)


def test_the_page_says_when_to_how_many_and_which_papers(visit: Visit, ada) -> None:
    add_subscriber(visit.engine, "away@example.org", hour=23, paused_until=TOMORROW + timedelta(days=3))
    page = " ".join(re.sub("<[^>]+>", " ", ada.get(NEXT).text).split())
    assert f"Issue of {TOMORROW} Cut {TOMORROW} 06:00 UTC Subscribers 3 get an email, as counted 0 s ago" in page
    assert "Left out 1 paused" in page
    assert "never read" in page
    assert "top of today’s ranking, 200 votes" in page


def test_what_the_page_shows_is_what_is_cut(visit: Visit, ada) -> None:
    old = START - timedelta(days=60)
    add_papers(visit.engine, range(90, 91), old, listed_at=old)
    add_papers(visit.engine, range(3, 8), START)
    ada.get(NEXT)
    assert "The paper is pinned" in choose(ada, "pin", 6, reason=" a  gem ")
    assert "a gem" in choose(ada, "pin", 90)
    assert "nobody gets it" in choose(ada, "remove", 0, reason="retracted")
    assert "The paper is postponed." in choose(ada, "postpone", 1, until=str(TOMORROW + timedelta(days=3)))
    shown = listed(ada.get(NEXT).text)
    assert shown == [f"Paper number {number}" for number in (6, 90, 2, 3, 4, 5, 7)]
    cut(visit.engine, TOMORROW, START, replace(PLAN, warm_up=False))
    with read_only(visit.engine) as connection:
        stored = issue_on(connection, "daily", TOMORROW)
    assert [ranked.paper.title for ranked in stored.papers] == shown


def test_a_choice_is_undone_and_the_log_names_who_paper_and_reason(visit: Visit, ada) -> None:
    before = listed(ada.get(NEXT).text)
    choose(ada, "remove", 0, reason="retracted")
    page = choose(ada, "undo", 0)
    assert "The choice is undone." in page
    assert listed(page) == before
    assert "Nothing changed" in choose(ada, "undo", 0)
    with read_only(visit.engine) as connection:
        happened = [(each.what, each.detail) for _, each in events.of_people(connection, 2)]
    who = {"by": "ada", "through": "console", "paper": paper(0).id}
    assert happened == [
        ("choice undone", who | {"was": "removed", "reason": ""}),
        ("paper removed", who | {"reason": "retracted"}),
    ]
    assert "retracted" in ada.get("/console/log").text


def test_a_page_from_before_the_cut_changes_nothing_afterwards(visit: Visit, ada) -> None:
    answer = do_refused(ada, f"{NEXT}/remove", paper=paper(0).id, day=str(START.date()))
    assert (answer.status_code, "is cut, so its list can’t change any more" in unquoted(answer.text)) == (409, True)
    for fields in ({"day": "soon"}, {"paper": ""}, {"paper": "x" * 99}):
        given = {"paper": paper(0).id, "day": str(TOMORROW)} | fields
        assert do_refused(ada, f"{NEXT}/remove", **given).status_code == 400
    answer = do_refused(ada, f"{NEXT}/postpone", paper=paper(0).id, day=str(TOMORROW), until="")
    assert (answer.status_code, "A paper is postponed to a date after" in answer.text) == (400, True)
    with read_only(visit.engine) as connection:
        assert events.of_people(connection, 1)[0][1].what == "signed in"


def test_a_paper_beyond_the_list_is_found_and_pinned(visit: Visit, ada) -> None:
    old = START - timedelta(days=60)
    add_papers(visit.engine, range(90, 91), old, listed_at=old, title="An old treasure")
    page = ada.get(f"{NEXT}?q=treasure").text
    assert "Not in the pool" in page
    assert listed(choose(ada, "pin", 90))[0] == "An old treasure"
    with transaction(visit.engine) as connection:
        connection.execute(update(papers).where(papers.c.id == paper(90).id).values(withdrawn_at=START))
    assert "No paper was found." in ada.get(f"{NEXT}?q=nosuchword").text


def test_the_public_page_names_the_editors_and_nothing_that_was_removed(visit: Visit, ada) -> None:
    choose(ada, "pin", 2)
    choose(ada, "remove", 0)
    cut(visit.engine, TOMORROW, START, replace(PLAN, warm_up=False))
    page = ada.get(f"/issues/{TOMORROW}").text
    assert "Paper number 0" not in page
    first, second = page.split('<li class="card">')[1:3]
    assert ("Chosen by the editors" in first, "No. " in first) == (True, False)
    assert "No. 1 of the day" in second
    assert "Our editors chose it for the issue" in ada.get(f"/papers/{paper(2).id}").text


def do_refused(browser, path: str, **fields: str):
    token = re.search(r'name="form_token" value="(\w{32})"', browser.get("/console").text)[1]
    return browser.post(path, data={"form_token": token} | fields)


def unquoted(text: str) -> str:
    return text.replace("&#39;", "’")

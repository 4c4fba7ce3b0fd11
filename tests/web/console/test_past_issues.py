"""Issues and the operators' log in the console."""

import re
from datetime import timedelta

import pytest

from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.issues.store import issue_on
from digest.ledger import events
from digest.ledger.kinds import IssueKind, IssueStatus
from tests.support.scenario import change_deliveries, cut
from tests.web.conftest import START, Visit
from tests.web.console import operators_pages
from tests.web.console.conftest import do

TODAY = START.date()
ISSUE = f"/console/issues/{TODAY}/daily"


def texts(page: str) -> list[str]:
    """The cells of the tables on a page."""
    return [re.sub("<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", page, re.DOTALL)]


def test_an_issue_says_who_did_not_get_it_and_why(visit: Visit, ada) -> None:
    bob = visit.subscriber("bob@example.org")
    refused = {"state": "refused", "reply_code": 550, "reply_text": "no such user", "finished_at": START}
    with transaction(visit.engine) as connection:
        change_deliveries(connection, deliveries.c.subscriber_id == bob.id, **refused)
    assert "2,026" not in ada.get("/console/issues").text
    assert texts(ada.get("/console/issues").text)[8:] == [str(TODAY), "running", "3", "0", "2", "0", "1", "0"]
    page = ada.get(f"{ISSUE}?show=refused").text
    cells = texts(page)
    assert cells[3:5] == ["bob@example.org", "refused"]
    assert "no such user" in cells[5]
    assert "bob@example.org" not in ada.get(f"{ISSUE}?show=queued").text


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_long_lists_are_shown_in_parts_that_neither_repeat_nor_omit(
    visit: Visit, ada, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("digest.web.console.past_issues._ROWS", 2)
    monkeypatch.setattr("digest.web.console.past_issues._ISSUES", 2)
    monkeypatch.setattr("digest.web.console.operators_log._ROWS", 2)
    for days in (1, 2, 3, 4):
        cut(visit.engine, TODAY + timedelta(days=days), START)
    do(ada, f"{ISSUE}/pause")
    do(ada, f"{ISSUE}/resume")
    rows = operators_pages.all_parts(ada, f"{ISSUE}?show=queued", r"(\w+@example\.org)")
    assert sorted(rows) == ["bob@example.org", "eve@example.org", "tim@example.org"]
    issues = operators_pages.all_parts(ada, "/console/issues", r"row\"><a href=\"/console/issues/([\d-]+)")
    assert issues == [str(TODAY + timedelta(days=days)) for days in (4, 3, 2, 1, 0)]
    log = operators_pages.all_parts(ada, "/console/log", r"<td>(running|paused|signed in|operator added)</td>")
    assert log == ["running", "paused", "signed in", "operator added"]


def test_an_issue_is_withdrawn_after_a_question_and_shown_again(visit: Visit, ada) -> None:
    assert "3 messages that were not sent yet will never be sent." in ada.get(f"{ISSUE}/withdraw").text
    assert ada.get(f"/issues/{TODAY}").status_code == 200
    page = do(ada, f"{ISSUE}/withdraw", reason="a joke")
    assert "The issue is off the site and the feeds." in page
    assert "by ada" in page
    assert ada.get(f"/issues/{TODAY}").status_code in (404, 410)
    with read_only(visit.engine) as connection:
        issue = issue_on(connection, IssueKind.DAILY, TODAY)
        logged = events.of_people(connection, 1)[0][1]
    assert issue is not None
    assert (issue.status, issue.withdrawn_at is None) == (IssueStatus.CANCELLED, False)
    assert (logged.what, logged.detail) == ("withdrawn", {"reason": "a joke", "by": "ada", "through": "console"})
    assert "The issue is on the site again." in do(ada, f"{ISSUE}/show-again")
    assert "Nothing changed" in do(ada, f"{ISSUE}/show-again")


def test_the_log_names_who_did_what_where_and_why(visit: Visit, ada) -> None:
    do(ada, f"{ISSUE}/pause", reason="wrong title")
    with transaction(visit.engine) as connection:
        events.record(connection, START, "issue:2026-11-22", "not of a person", {})
    page = ada.get("/console/log").text
    assert texts(page)[7:12] == ["ada", "console", f"issue:{TODAY}", "paused", "reason: wrong title"]
    assert "root" in page
    assert "not of a person" not in page
    assert not set(re.findall(r"\w+@[\w.]+", page)), "no address"


def test_the_log_is_read_through_its_index(visit: Visit, ada) -> None:
    assert "ix_events_by_people" in operators_pages.plan_of(
        visit.engine, lambda connection: events.of_people(connection, 50, 10_000)
    )

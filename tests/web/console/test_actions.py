"""The actions of operators on sending, through the forms of the pages."""

import re

import pytest

from digest import clock as the_clock
from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.issues.audit import audit
from digest.issues.store import issue_id_on
from digest.ledger import events
from digest.ledger.kinds import IssueKind, IssueStatus
from digest.mail.pauses import current
from digest.settings import Settings
from tests.support.scenario import change_deliveries
from tests.web.conftest import START, Visit
from tests.web.console.conftest import do, form_token

TODAY = START.date()
ISSUE = f"/console/issues/{TODAY}/daily"


def logged(visit: Visit, subject: str) -> tuple[str, dict[str, object]]:
    with read_only(visit.engine) as connection:
        event = events.latest(connection, 1, subject)[0]
    return event.what, event.detail


def sums(visit: Visit):
    with read_only(visit.engine) as connection:
        return audit(connection, issue_id_on(connection, IssueKind.DAILY, TODAY))


def test_an_issue_is_paused_with_a_reason_and_goes_on(visit: Visit, ada) -> None:
    page = do(ada, f"{ISSUE}/pause", reason="  wrong  title ")
    assert "The issue is paused." in page
    assert "paused by ada since" in page
    assert "wrong title" in page
    assert logged(visit, f"issue:{TODAY}") == (
        "paused",
        {"reason": "wrong title", "by": "ada", "through": "console"},
    )
    assert "Nothing changed" in do(ada, f"{ISSUE}/pause")
    hints = len(visit.hints)
    assert "The issue goes on." in do(ada, f"{ISSUE}/resume")
    assert sums(visit).status == IssueStatus.RUNNING
    assert len(visit.hints) == hints + 1, "workers begin at once"


def test_cancelling_asks_first_and_says_how_many_get_nothing(visit: Visit, ada) -> None:
    question = ada.get(f"{ISSUE}/cancel").text
    assert "3 messages that were not sent yet will never be sent." in question
    assert sums(visit).status == IssueStatus.RUNNING
    assert "The issue is cancelled." in do(ada, f"{ISSUE}/cancel", reason="spam")
    assert (sums(visit).status, sums(visit).skipped) == (IssueStatus.CANCELLED, {"issue cancelled": 3})
    assert logged(visit, f"issue:{TODAY}")[1] == {"reason": "spam", "by": "ada", "through": "console"}
    page = ada.get("/console").text
    assert f"{ISSUE}/pause" not in page
    assert f"{ISSUE}/cancel" not in page


@pytest.mark.parametrize("what", ["quarantined", "uncertain"])
def test_messages_that_need_a_decision_are_sent_again_after_a_question(visit: Visit, ada, what: str) -> None:
    with transaction(visit.engine) as connection:
        stopped = {"state": what, "finished_at": the_clock.now()}
        change_deliveries(connection, deliveries.c.kind == "digest", **stopped)
    assert f"{ISSUE}/retry/{what}" in ada.get("/console").text
    question = ada.get(f"{ISSUE}/retry/{what}").text
    assert f"Send 3 {what} messages again?" in question
    assert "a second" in question
    assert "They are queued again." in do(ada, f"{ISSUE}/retry/{what}")
    assert logged(visit, f"issue:{TODAY}") == (
        "retried",
        {"deliveries": 3, "uncertain": what == "uncertain", "by": "ada", "through": "console"},
    )
    assert f"{ISSUE}/retry/{what}" not in ada.get("/console").text
    assert "Nothing changed" in do(ada, f"{ISSUE}/retry/{what}")


@pytest.mark.parametrize(("domain", "scope"), [("", "*"), ("Example.ORG", "example.org")])
def test_sending_is_paused_and_resumed_for_all_or_one_domain(visit: Visit, ada, domain: str, scope: str) -> None:
    page = do(ada, "/console/sending/pause", domain=domain, reason="new relay")
    what = "Email to example.org" if domain else "All sending"
    assert re.search(rf"{what} is paused by ada since [\d -]+:\d\d UTC: new relay", re.sub("<[^>]+>", "", page))
    with read_only(visit.engine) as connection:
        assert [(pause.scope, pause.reason) for pause in current(connection, the_clock.now())] == [(scope, "new relay")]
    subject = "domain:example.org" if domain else "sending"
    assert logged(visit, subject)[1]["by"] == "ada"
    assert "Sending goes on." in do(ada, "/console/sending/resume", domain=domain.lower())
    assert logged(visit, subject) == ("resumed", {"by": "ada", "through": "console"})
    assert "Nothing changed" in do(ada, "/console/sending/resume", domain=domain.lower())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_does_not_exist_is_not_found_and_no_domain_is_refused(visit: Visit, ada) -> None:
    token = {"form_token": form_token(ada.get("/console").text)}
    for path in ("/issues/2020-01-01/daily/pause", "/issues/2020-01-01/daily/retry/uncertain"):
        assert ada.post(f"/console{path}", data=token).status_code == 404
    for path in (f"{ISSUE}/retry/accepted", "/console/issues/2020-01-01/daily/cancel", f"{ISSUE}x/cancel"):
        assert ada.get(path).status_code == 404
    assert ada.post("/console/sending/pause", data=token | {"domain": "not a domain"}).status_code == 400
    with read_only(visit.engine) as connection:
        assert current(connection, the_clock.now()) == []


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_what_others_wrote_is_text_on_the_page(visit: Visit, ada, settings: Settings) -> None:
    page = do(ada, f"{ISSUE}/pause", reason="<script>alert(1)</script>")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page

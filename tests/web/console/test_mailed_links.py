"""Links to sign in that are sent by email: their recipient, their limits, and that strangers learn nothing."""

import re
from email import message_from_bytes
from email.policy import default

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from digest.clock import now
from digest.database.engine import read_only, transaction
from digest.database.tables import operators
from digest.ledger import events
from digest.mail.pauses import EVERYTHING, pause_by_hand
from digest.monitoring.operators import LINK_LIFETIME, OperatorRole, make_link, set_address
from digest.monitoring.sign_in_mail import FAILED
from digest.web.console import sign_in
from tests.support.smtp_server import Step
from tests.web.conftest import SECRET
from tests.web.console.conftest import browser_of

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ADDRESS = "ada@example.org"


@pytest.fixture
def ask(visit, settings, smtp_server):
    """`ask(name, host)` fills in the form; the page after it, once everything is done that it set off."""
    with transaction(visit.engine) as connection:
        for name in ("ada", "no-address"):
            make_link(connection, name, OperatorRole.OPERATOR, now())
        set_address(connection, "ada", ADDRESS, now())
    own = settings.model_copy(update={"smtp_url": SecretStr(smtp_server.url)})

    def ask(name="ada", host="192.0.2.1"):
        answer = browser_of(visit, own, host).post("/console/sign-in", data={"operator": name})
        sign_in._errands.submit(lambda: None).result()  # what was submitted before is done
        return answer

    return ask


def link_in(taken):
    text = message_from_bytes(taken.content, policy=default).get_content()
    return re.search(r"/console/sign-in/\S+", text)[0]


def test_it_signs_in_once_and_within_fifteen_minutes(visit, ask, smtp_server, clock):
    ask()
    ask()
    assert [taken.rcpt_tos for taken in smtp_server.taken] == [(ADDRESS,)] * 2
    first, second = map(link_in, smtp_server.taken)
    browser = browser_of(visit)
    assert browser.post(first).status_code == 403  # replaced
    assert browser.post(second).status_code == 303
    assert "ada, operator" in browser.get("/console").text
    assert browser.post(second).status_code == 403
    ask()
    clock.move_to(now() + LINK_LIFETIME)
    assert browser_of(visit).post(link_in(smtp_server.taken[-1])).status_code == 403


def test_who_asks_learns_nothing_about_who_exists(visit, ask, smtp_server):
    answers = [ask(name) for name in ("ada", "no-address", "nobody", "", "x" * 300, "Ada", "ada' OR 1=1", "ädá\u202e")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, answers[0].text)}
    assert len(smtp_server.taken) == 1


def test_the_answer_does_not_wait_for_the_mail_server(visit, ask, monkeypatch):
    """Nor for the look-up: both happen in another thread, for each name alike."""
    submitted = []
    with monkeypatch.context() as patched:
        patched.setattr(sign_in._errands, "submit", lambda *call: submitted.append(call[-1]) or _Done())
        ask("ada")
        ask("nobody")
    assert [name for name in submitted if isinstance(name, str)] == ["ada", "nobody"]


class _Done:
    def result(self):
        return None


def test_three_an_hour_are_mailed_whoever_asks_and_the_fourth_looks_the_same(ask, smtp_server, clock):
    pages = {ask(host=f"198.51.{number}.1").text for number in range(6)}
    assert len(pages) == 1
    assert len(smtp_server.taken) == 3
    clock.move_to(now() + 2 * LINK_LIFETIME)
    ask(host="203.0.113.1")
    assert len(smtp_server.taken) == 4  # those that were refused took nothing


def test_a_client_is_limited_whatever_names_it_tries(ask):
    codes = [ask(f"name{number}").status_code for number in range(11)]
    assert codes == [200] * 10 + [429]


def test_asking_does_not_spoil_a_link_that_was_printed(visit, ask):
    with transaction(visit.engine) as connection:
        printed = make_link(connection, "ada", OperatorRole.OPERATOR, now())
    ask()
    assert browser_of(visit).post(f"/console/sign-in/{printed}").status_code == 303


def test_it_is_mailed_while_all_sending_is_paused(visit, ask, smtp_server):
    pause_by_hand(visit.engine, EVERYTHING, "maintenance", now())
    ask()
    assert len(smtp_server.taken) == 1


def test_a_mail_server_that_is_away_is_an_event_and_the_page_names_the_command(visit, ask, smtp_server):
    smtp_server.always(Step.RCPT, "550 5.1.1 no such user")
    page = ask()
    assert "digest console link --operator NAME" in page.text
    with read_only(visit.engine) as connection:
        (failed,) = events.latest(connection, 5, "console", FAILED)
        stored = connection.execute(select(operators.c.mailed_hash).where(operators.c.name == "ada")).scalar()
    assert "550" in failed.detail["reply"]
    assert stored is not None


def test_another_address_ends_the_link_that_went_to_the_last(visit, ask, smtp_server):
    ask()
    with transaction(visit.engine) as connection:
        set_address(connection, "ada", "new@example.org", now())
    assert browser_of(visit).post(link_in(smtp_server.taken[0])).status_code == 403


def test_the_shell_stores_the_address_and_mails_a_link_too(visit, command, database_url, smtp_server):
    options = {"DIGEST_DATABASE_URL": database_url, "DIGEST_SECRET_KEY": SECRET, "DIGEST_SMTP_URL": smtp_server.url}
    nowhere = command("console", "link", "--operator", "bob", "--mail", **options)
    assert (nowhere.returncode, "no address is stored" in nowhere.stderr) == (1, True)
    done = command("console", "link", "--operator", "bob", "--email", "bob@example.org", "--mail", **options)
    assert (done.returncode, "/console/sign-in/" in done.stdout) == (0, True)
    assert [taken.rcpt_tos for taken in smtp_server.taken] == [("bob@example.org",)]
    assert browser_of(visit).post(link_in(smtp_server.taken[0])).status_code == 303

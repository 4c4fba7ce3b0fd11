"""A subscriber's life, over HTTP and SMTP only: real web, worker and scheduler processes, and the one clock moved."""

import email
import json
import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from email.policy import default

import httpx2
import pytest
from typer.testing import CliRunner

from digest.cli.main import app
from digest.run import processes
from tests.support.lists import daily_lists
from tests.support.waiting import wait_for, workers_look_again

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

ADDRESS = "ada@example.com"
WEDNESDAY = date(2026, 3, 4)


def at(day, hour, minute=0):
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


class Life:
    """The running service, and what a subscriber and an operator can do from outside."""

    def __init__(self, start, clock, server, url, redis_url):
        self.clock, self.server, self.url, self.redis_url = clock, server, url, redis_url
        self.mails_read = 0
        self.browser = httpx2.Client(base_url=url, timeout=20)
        for part in ("web", "scheduler", "worker"):
            start(part)

    def next_mail(self, seconds=60):
        """The next mail that the server took, as a message."""
        wait_for(lambda: len(self.server.taken) > self.mails_read, seconds, "a mail")
        self.mails_read += 1
        return email.message_from_bytes(self.server.taken[self.mails_read - 1].content, policy=default)

    def no_more_mail(self):
        """Nothing more comes, though the worker looks at the ledger again."""
        workers_look_again(self.redis_url)
        assert len(self.server.taken) == self.mails_read

    def digest(self, *arguments):
        """Run a command in this process, since starting another takes a second."""
        return CliRunner().invoke(app, arguments)

    def comes_to(self, day, counts):
        """The audit shows these counts once the worker has recorded what the server took."""
        with suppress(AssertionError):
            wait_for(lambda: self.audit(day) == counts, 10, "the record")
        assert self.audit(day) == counts

    def audit(self, day):
        done = self.digest("audit", "--issue", day.isoformat(), "--json")
        assert done.exit_code == 0, done.output
        counts = json.loads(done.stdout)
        assert counts["unexplained"] == 0
        about = ("issue", "status", "unexplained", "nothing_sent", "changed", "withdrawn_at", "rate")
        return {name: count for name, count in counts.items() if count and name not in about}


def link(message, path):
    text = message.get_body(("plain",)).get_content()
    address = re.search(rf"http://[^/\s]+(/{path}/[\w-]+)", text)
    assert address, text
    return address.group(1)


def papers_in(message):
    return set(re.findall(r"arxiv\.org/abs/(\d{4}\.\d{5})", message.get_body(("plain",)).get_content()))


@pytest.fixture
def life(database_url, redis_url, smtp_server, clock, start_digest, monkeypatch):
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    for name, value in {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "SMTP_URL": smtp_server.url,
        "PUBLIC_URL": url,
        "WEB_PORT": str(port),
        "SOURCES": "huggingface",
        "WORKER_PROCESSES": "1",
        "SWEEP_SECONDS": "1",
        "SECRET_KEY": "a-secret-of-at-least-thirty-two-characters",
    }.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    clock.move_to(at(WEDNESDAY, 9))
    with daily_lists() as lists:
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", lists)
        life = Life(start_digest, clock, smtp_server, url, redis_url)
        wait_for(lambda: _answers(life.browser), 30, "the front page")
        yield life
        life.browser.close()


def _answers(browser):
    try:
        return browser.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def test_from_signing_up_to_leaving(life):
    wait_for(lambda: life.digest("audit", "--issue", WEDNESDAY.isoformat()).exit_code == 0, 60, "the issue")

    # Signing up: one field, and a message that asks for confirmation.
    assert life.browser.post("/subscribe", data={"email": ADDRESS}).status_code == 200
    confirmation = life.next_mail()
    confirm = link(confirmation, "confirm")
    assert life.audit(WEDNESDAY) == {}

    # Opening the link changes nothing; pressing the button does, and today's issue comes at once.
    for _ in range(3):
        assert life.browser.get(confirm).status_code == 200
    assert life.audit(WEDNESDAY) == {}
    assert life.browser.post(confirm, follow_redirects=True).status_code == 200
    first = life.next_mail()
    assert first["To"] == ADDRESS
    assert len(papers_in(first)) == 10
    life.comes_to(WEDNESDAY, {"candidates": 1, "accepted": 1})

    # The next day brings an issue without any paper twice, at seven.
    thursday = WEDNESDAY + timedelta(days=1)
    life.clock.move_to(at(thursday, 6, 5))
    life.digest("collect", "--date", thursday.isoformat())
    assert life.digest("publish").exit_code == 0
    assert life.audit(thursday) == {"candidates": 1, "queued": 1}
    life.clock.move_to(at(thursday, 7, 1))
    second = life.next_mail()
    assert len(papers_in(second)) == 10
    assert not papers_in(first) & papers_in(second)
    life.comes_to(thursday, {"candidates": 1, "accepted": 1})

    # Two papers at another hour.
    preferences = link(second, "preferences")
    choice = {"papers": "2", "frequency": "daily", "hour": "15", "zone": "UTC", "topics": [], "keywords": ""}
    assert life.browser.post(preferences, data=choice).status_code == 200
    friday = thursday + timedelta(days=1)
    life.clock.move_to(at(friday, 8))
    life.digest("collect", "--date", friday.isoformat())
    assert life.digest("publish").exit_code == 0
    life.no_more_mail()
    life.clock.move_to(at(friday, 15, 1))
    third = life.next_mail()
    assert len(papers_in(third)) == 2
    assert not papers_in(third) & (papers_in(first) | papers_in(second))
    life.comes_to(friday, {"candidates": 1, "accepted": 1})

    # One click, as a mailbox provider sends it, and no further mail.
    leave = third["List-Unsubscribe"].split("<")[-1].split(">")[0].removeprefix(life.url)
    assert third["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert life.browser.get(leave).status_code == 200
    assert life.browser.post(leave, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    saturday = friday + timedelta(days=1)
    life.clock.move_to(at(saturday, 16))
    life.digest("collect", "--date", saturday.isoformat())
    assert life.digest("publish").exit_code == 0
    life.no_more_mail()
    assert life.audit(saturday) == {}
    assert [message.rcpt_tos for message in life.server.taken] == [(ADDRESS,)] * 4

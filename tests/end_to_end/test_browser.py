"""A subscriber's life in a real browser, with the demo's inbox as the mail program, and JavaScript switched off.

Screenshots of each step are kept in the folder that SCREENSHOTS names.
"""

import os
import re
import sys
from datetime import date, timedelta
from pathlib import Path

import httpx2
import pytest
from typer.testing import CliRunner

from digest.cli.main import app
from digest.run import processes
from tests.end_to_end.test_subscriber_life import at
from tests.support.lists import daily_lists
from tests.support.waiting import wait_for, workers_look_again

pytestmark = [pytest.mark.browser, pytest.mark.processes, pytest.mark.timeout(240)]

WEDNESDAY = date(2026, 3, 4)
ADDRESS = "ada@example.com"


@pytest.fixture
def service(sqlite_url, redis_url, clock, start_digest, monkeypatch, tmp_path):
    """Starts pages, worker and a mail server with a web inbox; yields the address of the pages."""
    smtp_port, web_port = processes.free_port(), processes.free_port()
    url = f"http://127.0.0.1:{web_port}"
    inbox = tmp_path / "inbox"
    for name, value in {
        "DATABASE_URL": sqlite_url,
        "REDIS_URL": redis_url,
        "SMTP_URL": f"smtp://127.0.0.1:{smtp_port}",
        "PUBLIC_URL": url,
        "WEB_PORT": str(web_port),
        "SOURCES": "huggingface",
        "WORKER_PROCESSES": "1",
        "SWEEP_SECONDS": "1",
        "SECRET_KEY": "a-secret-of-at-least-thirty-two-characters",
        "INBOX_DIR": str(inbox),
    }.items():
        monkeypatch.setenv(f"DIGEST_{name}", value)
    clock.move_to(at(WEDNESDAY, 9))
    server = [sys.executable, "-m", "digest.run.mailserver", "--port", str(smtp_port), "--dir", str(inbox)]
    with daily_lists() as lists, (tmp_path / "mailserver.log").open("wb") as log:
        monkeypatch.setenv("DIGEST_HUGGINGFACE_URL", lists)
        mail_server = processes.start(server, output=log)
        for part in ("web", "scheduler", "worker"):
            start_digest(part)
        wait_for(lambda: _shows(f"{url}/issues/{WEDNESDAY}"), 60, "the first issue")
        yield url
        processes.stop(mail_server)


def _shows(page):
    # Without certificates, which would be read again at each look: 40 ms of work.
    try:
        return httpx2.get(page, timeout=5, trust_env=False, verify=False).status_code == 200
    except httpx2.TransportError:
        return False


class Person:
    """Someone with a browser who visits pages and messages and takes pictures of them."""

    def __init__(self, browser, url):
        self._context = browser.new_context(viewport={"width": 1100, "height": 900}, java_script_enabled=False)
        self._looks = httpx2.Client(base_url=url, trust_env=False, verify=False)
        self.page = self._context.new_page()
        self.url = url
        self.pictures = 0

    def picture(self, name):
        folder = os.environ.get("SCREENSHOTS")
        if folder:
            self.pictures += 1
            self.page.screenshot(path=Path(folder) / f"{self.pictures:02}-{name}.png", full_page=True)

    def open(self, path):
        self.page.goto(self.url + path)

    def reads(self, text):
        content = self.page.inner_text("main")
        assert text in content, content

    def mail(self, subject, number=1):
        """Open the HTML of the newest of at least `number` messages with this subject."""
        titles = re.compile(f'class="subject">[^<]*{subject}')  # for a browser each look is a tenth of a second's work
        wait_for(lambda: len(titles.findall(self._looks.get("/inbox").text)) >= number, 60, f"the email “{subject}”")
        self.open("/inbox")
        self.page.get_by_role("link", name=re.compile(subject)).first.click()
        frame = self.page.frame_locator("iframe")
        frame.locator("h1").wait_for()
        return frame

    def follow(self, link):
        """Click a link in a message, which opens a new tab, and continue there."""
        with self._context.expect_page() as opened:
            link.click()
        self.page.close()
        self.page = opened.value
        self.page.wait_for_load_state()

    def press(self, button):
        self.page.get_by_role("button", name=button).click()
        self.page.wait_for_load_state()

    def leave(self):
        self._context.close()
        self._looks.close()


@pytest.fixture
def ada(chromium, service):
    person = Person(chromium, service)
    yield person
    person.leave()


def papers_in(frame):
    return set(frame.locator("h2").all_inner_texts())


def test_from_the_front_page_to_the_last_mail(ada, clock, redis_url):
    ada.open("/")
    ada.page.get_by_label("Your email address").fill("not an address")
    ada.press("Subscribe")
    assert ada.page.locator("[aria-invalid=true]").count() == 1
    ada.picture("a-slip")
    ada.page.get_by_label("Your email address").fill(ADDRESS)
    clock.move_to(at(WEDNESDAY, 9) + timedelta(minutes=1))  # no person is as fast as this test
    ada.press("Subscribe")
    ada.reads("Check your inbox")
    ada.picture("asked")

    confirmation = ada.mail("Confirm your email address")
    ada.picture("confirmation-mail")
    ada.follow(confirmation.get_by_role("link", name=re.compile("confirm", re.IGNORECASE)).first)
    ada.picture("confirm-page")
    ada.page.reload()  # looking again changes nothing
    ada.press("Yes, send me the papers")
    ada.picture("confirmed")

    first = papers_in(ada.mail("and [0-9]+ more"))
    ada.picture("first-issue")
    assert len(first) == 10

    thursday = WEDNESDAY + timedelta(days=1)
    clock.move_to(at(thursday, 7, 1))
    _cut(thursday)
    mail = ada.mail("and [0-9]+ more", 2)
    second = papers_in(mail)
    assert len(second) == 10
    assert not first & second

    ada.follow(mail.get_by_role("link", name="View in browser").first)
    ada.picture("the-same-on-the-web")
    assert set(ada.page.locator(".card .title").all_inner_texts()) == second

    ada.follow(ada.mail("and [0-9]+ more", 2).get_by_role("link", name="Preferences"))
    ada.page.get_by_label("Papers per email").fill("2")
    ada.page.get_by_label("Delivery time").select_option("15")
    ada.page.get_by_label("Keywords").fill("x" * 100)
    ada.press("Save")
    assert ada.page.locator("[aria-invalid=true]").count() == 1
    ada.picture("a-wrong-preference")
    ada.page.get_by_label("Keywords").fill("surprising")
    ada.press("Save")
    ada.picture("preferences-saved")

    friday = thursday + timedelta(days=1)
    clock.move_to(at(friday, 15, 1))
    _cut(friday)
    mail = ada.mail("6 Mar")
    third = papers_in(mail)
    ada.picture("third-issue")
    assert len(third) == 2
    assert not third & (first | second)

    ada.follow(mail.get_by_role("link", name="Unsubscribe").first)
    ada.picture("unsubscribe-page")
    ada.press("Unsubscribe")
    ada.picture("unsubscribed")
    ada.page.go_back()
    ada.press("Unsubscribe")
    ada.reads("already")

    saturday = friday + timedelta(days=1)
    clock.move_to(at(saturday, 16))
    _cut(saturday)
    workers_look_again(redis_url)
    ada.open("/inbox")
    assert ada.page.get_by_role("link", name=re.compile("7 Mar")).count() == 0


def _cut(day):
    commands = CliRunner()
    assert commands.invoke(app, ["collect", "--date", day.isoformat()]).exit_code == 0
    done = commands.invoke(app, ["publish"])
    assert done.exit_code == 0, done.output

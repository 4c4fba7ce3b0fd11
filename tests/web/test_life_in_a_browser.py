"""Everything that a subscriber can do on our pages, in a browser without JavaScript, in both languages.

Buttons and fields are found by their names: the words on them are another language's. Sign-up and mails together:
tests/end_to_end/test_browser.py.
"""

import json
import re
from datetime import timedelta

import pytest

from digest.clock import now
from digest.database.engine import read_only
from digest.ledger.kinds import Status
from digest.subscribers.address_change.change import Side
from digest.subscribers.address_change.store import open_change
from digest.subscribers.paper_feedback import FeedbackKind, feedback_by
from digest.subscribers.subscriber import Frequency
from digest.subscribers.tokens import Purpose, sign
from digest.web.app import create_app
from tests.support.waiting import wait_for
from tests.web.conftest import ADDRESS, SECRET, START
from tests.web.rendered_pages import serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
    pytest.mark.parametrize("language", ["en", "zh-CN"]),
]
PAPER = "2603.00000"
PATHS = {
    Purpose.CONFIRM: "confirm",
    Purpose.MANAGE: "preferences",
    Purpose.FRESH: "preferences",
    Purpose.UNSUBSCRIBE: "u",
    Purpose.FEEDBACK: "feedback",
}
PLAIN = "main form button[type=submit]:not([name])"  # what sends a form that has one thing to do


class Visitor:
    """Somebody who speaks one language, at a browser that runs no script."""

    def __init__(self, browser, url, visit, language, clock):
        self.page = browser.new_page(
            java_script_enabled=False, locale=language, viewport={"width": 390, "height": 800}, accept_downloads=True
        )
        self._url, self._visit, self._language, self._clock = url, visit, language, clock

    def open(self, path):
        self.page.goto(self._url + path)
        assert self.page.locator("html").get_attribute("lang") == self._language

    def follow(self, purpose, more=""):
        """Open the link of this purpose, as mails have it."""
        self.open(f"/{PATHS[purpose]}/{self._visit.token(purpose, self._visit.subscriber())}{more}")

    def press(self, button=PLAIN):
        self.page.locator(button).first.click()
        self.page.wait_for_load_state()
        assert self.page.locator("html").get_attribute("lang") == self._language

    def gives_an_address(self, path):
        """On the page at `path`: a wrong one, and after the message the right one."""
        self.open(path)
        self.page.fill("#email", "not an address")
        self.press()
        self.is_told_at("email")
        self.page.fill("#email", ADDRESS)
        self._clock.move_to(now() + timedelta(seconds=3))  # as long as a person takes
        self.press()
        wait_for(lambda: not self._visit.waiting_requests(), 30, "the end of the work after the answer")

    def fill(self, values):
        """Write these values into their fields."""
        for field, value in values.items():
            self.page.fill(f"#{field}", value)

    def is_told_at(self, field):
        """There is a message at this field, and the field says so itself."""
        message = self.page.locator(f"#{field}-wrong")
        assert message.inner_text().strip()
        assert self.page.locator(f"[aria-describedby*='{field}-wrong']").count() == 1


@pytest.fixture
def somebody(chromium, filled, settings, language, clock):
    with serving(create_app(filled.engine, settings, lambda: None)) as url:
        yield Visitor(chromium, url, filled, language, clock)


@pytest.fixture
def subscribed(somebody, visit, language):
    """Signed up without the browser: test_subscribing does it in one."""
    visit.browser.post(f"/subscribe?lang={language}", data={"email": ADDRESS})
    visit.browser.post(f"/confirm/{visit.token(Purpose.CONFIRM, visit.subscriber())}?lang={language}")
    assert visit.subscriber().preferences.language == language
    return somebody


def test_subscribing_and_choosing_topics(somebody, visit, language):
    somebody.gives_an_address("/")
    somebody.follow(Purpose.CONFIRM)
    somebody.page.locator("summary").first.click()
    somebody.page.fill("#papers", "99")
    somebody.press()
    somebody.is_told_at("papers")
    assert visit.subscriber().status is Status.PENDING
    somebody.page.fill("#papers", "5")
    somebody.press()
    subscriber = visit.subscriber()
    assert (subscriber.status, subscriber.preferences.papers, subscriber.preferences.language) == (
        Status.CONFIRMED,
        5,
        language,
    )
    assert somebody.page.locator(".card").count() == 5
    somebody.page.check("[name=topics][value=efficiency]")
    somebody.press()
    somebody.page.get_by_role("status").wait_for()
    assert somebody.page.is_checked("[name=topics][value=efficiency]")
    assert visit.subscriber().preferences.topics == ("efficiency",)
    assert somebody.page.locator(".card").count() == 5
    somebody.gives_an_address("/manage")
    assert visit.queued().count("link") == 1


def test_changing_preferences_seeing_the_next_email_pausing_and_coming_back(subscribed, visit):
    subscribed.follow(Purpose.MANAGE)
    wrong = {"keywords": "x" * 100, "zone": "Nowhere", "papers": "0"}
    subscribed.fill(wrong)
    subscribed.press()
    for field, value in wrong.items():
        subscribed.is_told_at(field)
        assert subscribed.page.input_value(f"#{field}") == value
    subscribed.fill({"keywords": "agents", "zone": "Asia/Tokyo", "papers": "7"})
    subscribed.press()
    subscribed.page.get_by_role("status").wait_for()
    kept = visit.subscriber().preferences
    assert (kept.keywords, kept.zone, kept.papers) == (("agents",), "Asia/Tokyo", 7)
    subscribed.page.click("main a[href*='/next-email']")
    subscribed.page.frame_locator("iframe").locator("h2").first.wait_for()
    subscribed.page.locator("main a[href*='/preferences/']").click()
    subscribed.page.check("[name=pause][value=until]")
    subscribed.press()
    subscribed.is_told_at("pause")
    subscribed.page.fill("[name=pause_until]", START.date().replace(day=30).isoformat())
    subscribed.press()
    assert visit.subscriber().preferences.paused_until == START.date().replace(day=30)
    subscribed.page.check("[name=pause][value='0']")
    subscribed.press()
    over = visit.subscriber().preferences.paused_until  # kept for the catch-up
    assert over == START.date()


def test_saying_what_one_thinks_of_a_paper_and_taking_it_back(subscribed, visit):
    def said():
        with read_only(visit.engine) as connection:
            return [(one.paper_id, one.kind) for one in feedback_by(connection, visit.subscriber().id)]

    subscribed.follow(Purpose.FEEDBACK, f"/more/{PAPER}")
    assert said() == []
    subscribed.press("[name=say][value=more]")
    assert said() == [(PAPER, FeedbackKind.MORE)]
    subscribed.press("[name=say][value=less]")
    assert said() == [(PAPER, FeedbackKind.LESS)]
    subscribed.open(f"/feedback/{visit.token(Purpose.FRESH, visit.subscriber())}")
    subscribed.press("[name=action][value=reset]")
    subscribed.is_told_at("sure")
    subscribed.press("[name=forget]")
    assert said() == []


def test_leaving_telling_why_and_undoing_it(subscribed, visit):
    subscribed.follow(Purpose.UNSUBSCRIBE)
    assert visit.subscriber().status is Status.CONFIRMED
    subscribed.press()
    assert visit.subscriber().status is Status.UNSUBSCRIBED
    subscribed.press("[name=tell]")
    subscribed.is_told_at("why")
    subscribed.page.check("[name=why][value='no time']")
    subscribed.press("[name=tell]")
    assert "no time" in str(visit.everything()["events"])
    subscribed.follow(Purpose.UNSUBSCRIBE)
    subscribed.press()  # a second time: it was so already
    assert subscribed.page.locator("[name=undo]").count() == 0
    subscribed.follow(Purpose.MANAGE)
    subscribed.press("[value=resubscribe]")
    assert visit.subscriber().status is Status.CONFIRMED
    subscribed.follow(Purpose.UNSUBSCRIBE)
    subscribed.press()
    subscribed.press("[name=undo]")
    assert visit.subscriber().status is Status.CONFIRMED
    subscribed.follow(Purpose.UNSUBSCRIBE)
    subscribed.press()
    subscribed.press("[name=instead][value=weekly]")
    after = visit.subscriber()
    assert (after.status, after.preferences.frequency) == (Status.CONFIRMED, Frequency.WEEKLY)


def test_changing_the_address_with_a_keyboard(subscribed, visit):
    """From the fresh link to the confirmation at both addresses; the links are those of the two emails."""
    new, page = "ada@new.example", subscribed.page
    subscribed.follow(Purpose.FRESH)
    page.locator("a[href*='/address/']").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/address/**")
    page.locator("#email").focus()
    page.keyboard.type("nonsense")
    page.keyboard.press("Enter")
    page.wait_for_selector("[aria-invalid=true]")
    page.fill("#email", new)
    page.keyboard.press("Enter")
    page.wait_for_selector(f"text={new}")
    with read_only(visit.engine) as connection:
        change = open_change(connection, visit.subscriber().id)
    assert change is not None
    for side in Side:
        subscribed.open(f"/address/{side}/{sign(side.purpose, change.id, now(), [SECRET.encode()])}")
        assert new in page.locator("main").inner_text()
        page.locator(PLAIN).focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("h1.done")
    assert visit.subscriber(new).id == change.subscriber_id


def test_taking_everything_along_and_being_erased(subscribed, visit):
    subscribed.follow(Purpose.FRESH)
    with subscribed.page.expect_download() as download:
        subscribed.page.click("[value=export]")
    stored = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert ADDRESS in json.dumps(stored)
    subscribed.press("[value=erase]")
    subscribed.is_told_at("sure")
    assert visit.subscriber().email == ADDRESS
    subscribed.page.check("[name=sure]")
    subscribed.press("[value=erase]")
    assert not re.search(ADDRESS, json.dumps(visit.everything(), default=str))

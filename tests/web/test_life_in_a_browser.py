"""Everything that a subscriber can do on our pages, step by step, in a browser.

Each chapter is read twice: in English with scripts and the keyboard alone, on the smallest screen, and in Chinese with
neither, on a phone. After each step the page is judged. Buttons and fields are found by their names, since the words on
them depend on the language. Sign-up and mails together: tests/end_to_end/test_browser.py.
"""

import json
import re
from dataclasses import dataclass
from datetime import timedelta

import pytest

from digest.clock import now
from digest.database.engine import read_only
from digest.ledger.kinds import Status
from digest.subscribers.address_change.change import Side
from digest.subscribers.address_change.store import open_change
from digest.subscribers.paper_feedback import FeedbackKind, feedback_by
from digest.subscribers.subscriber import Balance, Frequency
from digest.subscribers.tokens import Purpose, sign
from digest.web.app import create_app
from digest.web.guard import PERSONAL
from tests.support.accessibility import Accessibility
from tests.support.chromium import too_wide
from tests.support.keyboard import faults_of_tab
from tests.support.waiting import wait_for
from tests.web.conftest import SECRET, START
from tests.web.personal.test_library import BIB, sources  # noqa: F401
from tests.web.personal.test_library import run as look_up
from tests.web.rendered_pages import in_chinese, places, send_list, serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
PAPER = "2603.00000"
PATHS = {Purpose.MANAGE: "preferences", Purpose.FRESH: "preferences", Purpose.UNSUBSCRIBE: "u"}
PLAIN = "main form button[type=submit]:not([name])"  # what sends a form that has one thing to do
# How far things have moved that nobody touched.
SHIFTED = """() => {
  const observer = new PerformanceObserver(() => {})
  observer.observe({type: "layout-shift", buffered: true})
  return observer.takeRecords().reduce((sum, {hadRecentInput, value}) => sum + (hadRecentInput ? 0 : value), 0)
}"""


@dataclass(frozen=True)
class Way:
    """A language, a screen, and whether scripts run and the keyboard does everything."""

    language: str
    scripts: bool
    width: int

    @property
    def screen(self):
        return {"width": self.width, "height": 800}


WAYS = (Way("en", True, 320), Way("zh-CN", False, 390))


class Reader:
    """Somebody who reads our pages in one way."""

    def __init__(self, way, chromium, url, visit, clock):
        context = chromium.new_context(
            locale=way.language, java_script_enabled=way.scripts, viewport=way.screen, accept_downloads=True
        )
        self.way, self.page, self.visit, self.url = way, context.new_page(), visit, url
        self.address = f"ada-{way.language.lower()}@example.org"
        self._chromium, self._clock, self._substitute = chromium, clock, None
        self._complaints, self._walked = [], set()
        self.page.on("console", self._hears)
        self.page.on("response", self._gets)
        self.page.on("request", lambda request: self._asks(request.url))

    # --- what one does ---

    def open(self, path):
        self.page.goto(self.url + path)

    def follow(self, purpose, more=""):
        """Open the link of this purpose, as mails have it."""
        path = PATHS.get(purpose, str(purpose))
        self.open(f"/{path}/{self.visit.token(purpose, self.subscriber)}{more}")

    def press(self, button=PLAIN):
        """Use a button or a link that leads to another page."""
        with self.page.expect_navigation():
            self._use(button, "Enter")

    def choose(self, field):
        """Tick or select."""
        self._use(field, "Space")
        assert self.page.locator(field).first.is_checked()

    def unfold(self, summary="summary"):
        self._use(summary, "Enter")

    def write(self, values):
        """Write these values into their fields."""
        for field, value in values.items():
            if self.way.scripts:
                self.page.focus(f"#{field}")
                self.page.keyboard.press("Control+A")
                self.page.keyboard.insert_text(value)
            else:
                self.page.fill(f"#{field}", value)

    def download(self, button):
        """The text of the file that a button or link gives."""
        with self.page.expect_download() as download:
            self._use(button, "Enter")
        return download.value.path().read_text(encoding="utf-8")

    def _use(self, selector, key):
        first = self.page.locator(selector).first
        if self.way.scripts:
            first.focus()
            self.page.keyboard.press(key)
        else:
            first.click()

    def signs_up(self):
        """Subscribe without the browser; the first chapter does it in one."""
        self.visit.browser.post(f"/subscribe?lang={self.way.language}", data={"email": self.address})
        token = self.visit.token(Purpose.CONFIRM, self.subscriber)
        self.visit.browser.post(f"/confirm/{token}?lang={self.way.language}")
        assert self.subscriber.preferences.language == self.way.language

    def sends_address(self, address):
        """Send the form with one field, as fast as a person."""
        self.write({"email": address})
        self._clock.move_to(now() + timedelta(seconds=3))
        self.press()
        wait_for(lambda: not self.visit.waiting_requests(), 30, "the end of the work after the answer")

    # --- what one sees ---

    @property
    def subscriber(self):
        return self.visit.subscriber(self.address)

    @property
    def feedback(self):
        with read_only(self.visit.engine) as connection:
            return [(each.paper_id, each.kind) for each in feedback_by(connection, self.subscriber.id)]

    def is_told_at(self, field):
        """There is a message at this field, and the field says so itself."""
        assert self.page.locator(f"#{field}-wrong").inner_text().strip()
        assert self.page.locator(f"[aria-describedby*='{field}-wrong']").count() == 1

    def is_told(self):
        assert self.page.locator("main [role=status]").count() == 1

    def faults(self, accessibility, start="main"):
        """What is wrong with the page as it is; the Tab key goes through what is below `start`."""
        found, self._complaints = self._complaints, []
        if (language := self.page.locator("html").get_attribute("lang")) != self.way.language:
            found.append(f"in {language}")
        if too_wide(self.page, self.way.width):
            found.append("scrolls sideways")
        if self.way.scripts:
            if shifted := self.page.evaluate(SHIFTED):
                found.append(f"things move by {shifted}")
            structure = accessibility.structure(self.page)
            if start and structure not in self._walked:
                found += faults_of_tab(self.page, start)
                self._walked.add(structure)
        return found + accessibility.faults(self.page, self._page_with_scripts())

    def _page_with_scripts(self):
        if self.way.scripts:
            return None
        if self._substitute is None:
            self._substitute = self._chromium.new_page(viewport=self.way.screen)
            self._substitute.goto(f"{self.url}/manage")  # styles come from the address that was opened
        return self._substitute

    def _hears(self, message):
        if not message.text.startswith("Failed to load resource"):  # below: a page may say that something is wrong
            self._complaints.append(message.text)

    def _gets(self, response):
        if response.status >= 400 and response.request.resource_type != "document":
            self._complaints.append(f"{response.status} for {response.url}")

    def _asks(self, address):
        if not address.startswith((self.url, "data:", "blob:")):
            self._complaints.append(f"asks {address}")


# --- the chapters: each yields the names of its steps, one for each page to judge ---


def subscribing(reader):
    reader.open("/")
    yield "front page"
    reader.press("main a[href*='/sample-email']")
    yield "sample email"
    reader.open("/")
    reader.write({"email": "not an address"})
    reader.press()
    reader.is_told_at("email")
    yield "wrong address"
    reader.sends_address(reader.address)
    yield "check your inbox"
    reader.follow(Purpose.CONFIRM)
    yield "confirm"
    reader.unfold()
    reader.write({"papers": "99"})
    reader.press()
    reader.is_told_at("papers")
    assert reader.subscriber.status is Status.PENDING
    yield "wrong number of papers"
    reader.write({"papers": "5"})
    reader.press()
    chosen = reader.subscriber.preferences
    assert (reader.subscriber.status, chosen.papers, chosen.language) == (Status.CONFIRMED, 5, reader.way.language)
    assert reader.page.locator(".card .why").count() == 5
    yield "first papers"
    reader.choose("[name=topics][value=efficiency]")
    reader.press()
    reader.is_told()
    assert reader.subscriber.preferences.topics == ("efficiency",)
    assert reader.page.locator(".card .why").count() == 5
    yield "topics chosen"
    reader.open("/manage")
    reader.write({"email": "nobody"})
    reader.press()
    reader.is_told_at("email")
    yield "wrong address for a link"
    reader.sends_address(reader.address)
    assert reader.visit.queued().count("link") >= 1
    yield "link on its way"


def preferring(reader):
    reader.signs_up()
    reader.follow(Purpose.MANAGE)
    yield "preferences"
    wrong = {"keywords": "x" * 100, "zone": "Nowhere", "papers": "0"}
    reader.write(wrong)
    reader.press()
    for field, value in wrong.items():
        reader.is_told_at(field)
        assert reader.page.input_value(f"#{field}") == value
    yield "wrong preferences"
    before = reader.page.inner_text("[data-forecast]")
    reader.write({"keywords": "quantization", "zone": "Asia/Tokyo", "papers": "7"})
    reader.choose("[name=balance][value=only]")
    if reader.way.scripts:
        reader.page.wait_for_function("old => document.querySelector('[data-forecast]').innerText !== old", arg=before)
        yield "the number as they type"
        counted = reader.page.inner_text("[data-forecast]")
    reader.press("main form button:not([name])")
    reader.is_told()
    if reader.way.scripts:
        assert reader.page.inner_text("[data-forecast]") == counted
    kept = reader.subscriber.preferences
    assert (kept.keywords, kept.zone, kept.papers) == (("quantization",), "Asia/Tokyo", 7)
    assert kept.balance is Balance.ONLY
    yield "preferences saved"
    reader.press("main a[href*='/next-email']")
    reader.page.frame_locator("iframe").locator("h1").first.wait_for()
    yield "next email"
    reader.press("main a[href*='/preferences/']")
    reader.choose("[name=pause][value=until]")
    reader.press()
    reader.is_told_at("pause")
    yield "a pause without a date"
    reader.page.fill("[name=pause_until]", START.date().replace(day=30).isoformat())
    reader.press()
    assert reader.subscriber.preferences.paused_until == START.date().replace(day=30)
    yield "paused"
    reader.choose("[name=pause][value='0']")
    reader.press()
    assert reader.subscriber.preferences.paused_until == START.date()  # kept for the catch-up
    reader.press("[value=link]")
    reader.is_told()
    yield "link in the inbox"


def judging_papers(reader):
    reader.signs_up()
    reader.follow(Purpose.FEEDBACK, f"/more/{PAPER}")
    assert reader.feedback == []
    assert reader.page.locator("[aria-pressed]").count() == 0
    yield "feedback"
    for kind in (FeedbackKind.MORE, FeedbackKind.LESS):
        reader.press(f"[name=say][value={kind}]")
        assert reader.feedback == [(PAPER, kind)]
        assert reader.page.locator("[aria-pressed=true]").count() == 1
        yield f"said {kind}"
    reader.press("[name=save]")
    yield "saved for later"
    reader.follow(Purpose.FEEDBACK, f"/issues/{send_list(reader.visit, subscriber=reader.subscriber)}")
    assert reader.page.locator(".card .why").count() == 3
    yield "the list that was sent"
    reader.follow(Purpose.FRESH)
    reader.press("main a[href*='/list/']:not([href*=feed])")
    yield "saved list"
    assert "@misc" in reader.download("a[href$='.bib']")
    assert "TY  - " in reader.download("a[href$='.ris']")
    feed = reader.page.locator("a[href*='feed.atom']").get_attribute("href")
    assert PAPER in reader.visit.browser.get(feed).text
    reader.press("[name=remove]")
    reader.is_told()
    yield "removed from the saved list"
    reader.open(f"/feedback/{reader.visit.token(Purpose.FRESH, reader.subscriber)}")
    yield "all feedback"
    reader.press("[name=action][value=reset]")
    reader.is_told_at("sure")
    yield "clear all, really?"
    reader.press("[name=forget]")
    assert reader.feedback == []
    yield "feedback undone"


def bringing_a_library(reader):
    reader.signs_up()
    reader.follow(Purpose.FRESH)
    reader.press("main a[href*='/library/']")
    address = reader.page.url
    yield "empty library"
    reader.page.set_input_files("#file", {"name": "my.bib", "mimeType": "text/plain", "buffer": BIB.encode()})
    reader.press("button[value=add]")
    assert reader.page.locator("progress").get_attribute("max") == "6"
    yield "uploaded"
    reader.look_up()
    reader.page.goto(address)
    assert reader.page.locator("progress").get_attribute("value") == "6"
    yield "looked up: found and not found"
    reader.press("button[name=remove]")
    assert reader.page.locator("button[name=remove]").count() == 5
    reader.press("button[value=clear]")
    reader.is_told_at("sure")
    yield "remove all, really?"
    reader.choose("#sure")
    reader.press("button[value=clear]")
    reader.is_told()
    assert reader.page.locator("button[name=remove]").count() == 0
    yield "taken back"
    reader.press("button[value=zotero]")
    reader.is_told_at("zotero")
    yield "no number of a library"


def changing_the_address(reader):
    reader.signs_up()
    new, number = f"new-{reader.address}", reader.subscriber.id
    reader.follow(Purpose.FRESH)
    reader.press("main a[href*='/address/']")
    yield "change my address"
    reader.write({"email": "nonsense"})
    reader.press()
    reader.is_told_at("email")
    yield "wrong new address"
    reader.sends_address(new)
    assert new in reader.page.inner_text("main")
    yield "check both inboxes"
    with read_only(reader.visit.engine) as connection:
        change = open_change(connection, number)
    assert change is not None
    for side in Side:
        reader.open(f"/address/{side}/{sign(side.purpose, change.id, now(), [SECRET.encode()])}")
        assert new in reader.page.inner_text("main")
        yield f"at the {side} address"
        reader.press()
        assert reader.page.locator("h1.done").count() == 1
        yield f"confirmed at the {side} address"
    assert reader.visit.subscriber(new).id == number


def leaving(reader):
    reader.signs_up()
    for instead in ("weekly", "pause"):
        reader.follow(Purpose.UNSUBSCRIBE)
        assert reader.subscriber.status is Status.CONFIRMED
        yield "unsubscribe"
        reader.press(f"[name=instead][value={instead}]")
        assert reader.subscriber.status is Status.CONFIRMED
        yield f"{instead} instead"
    assert reader.subscriber.preferences.frequency is Frequency.WEEKLY
    assert reader.subscriber.preferences.paused_until
    reader.follow(Purpose.UNSUBSCRIBE)
    reader.press()
    assert reader.subscriber.status is Status.UNSUBSCRIBED
    yield "unsubscribed"
    reader.press("[name=tell]")
    reader.is_told_at("why")
    yield "no reason"
    reader.choose("[name=why][value='no time']")
    reader.press("[name=tell]")
    assert "no time" in str(reader.visit.everything()["events"])
    yield "told why"
    reader.follow(Purpose.UNSUBSCRIBE)
    reader.press()  # a second time: it was so already
    assert reader.page.locator("[name=undo]").count() == 0
    yield "unsubscribed already"
    reader.follow(Purpose.MANAGE)
    yield "preferences of somebody unsubscribed"
    reader.press("[value=resubscribe]")
    assert reader.subscriber.status is Status.CONFIRMED
    reader.follow(Purpose.UNSUBSCRIBE)
    reader.press()
    reader.press("[name=undo]")
    assert reader.subscriber.status is Status.CONFIRMED
    yield "undone"
    path = f"/u/{reader.visit.token(Purpose.UNSUBSCRIBE, reader.subscriber)}"
    reader.visit.browser.post(path, data={"List-Unsubscribe": "One-Click"})  # as mail programs do
    assert reader.subscriber.status is Status.UNSUBSCRIBED


def taking_data_along(reader):
    reader.signs_up()
    old = f"/preferences/{reader.visit.token(Purpose.MANAGE, reader.subscriber)}"
    reader.follow(Purpose.FRESH)
    yield "fresh link"
    assert reader.address in json.dumps(json.loads(reader.download("[value=export]")))
    reader.press("[value=revoke]")
    yield "old links turned off"
    reader.open(old)
    yield "an old link"
    reader.follow(Purpose.FRESH)
    reader.press("[value=erase]")
    reader.is_told_at("sure")
    assert reader.subscriber.email == reader.address
    yield "delete, really?"
    reader.choose("#sure")
    reader.press("[value=erase]")
    yield "deleted"
    assert not re.search(reader.address, json.dumps(reader.visit.everything(), default=str))


def reading(reader):
    reader.open("/latest")
    reader.press("a[rel=prev]")
    reader.press("a[rel=next]")
    assert reader.page.url.split("?")[0].endswith(str(START.date()))
    yield "newest issue"
    assert "@misc" in reader.download("main a[href$='.bib']")
    reader.press(".card .title a")
    assert "TY  - " in reader.download("main a[href$='.ris']")
    reader.unfold("details summary")
    yield "the numbers behind a rank"
    reader.open("/")
    reader.page.fill("[type=search]", f"arXiv:{PAPER}")
    with reader.page.expect_navigation():
        reader.page.press("[type=search]", "Enter")
    assert f"/papers/{PAPER}" in reader.page.url
    yield "an exact id leads to its paper"
    reader.open("/search")
    reader.unfold()
    yield "all fields of the search"


@pytest.fixture(scope="module")
def accessibility():
    return Accessibility()


@pytest.fixture
def readers(chromium, filled, settings, clock, sources):  # noqa: F811
    """One for each way, at one site."""
    with serving(create_app(filled.engine, settings, lambda: None)) as url:
        found = [Reader(way, chromium, url, filled, clock) for way in WAYS]
        for reader in found:
            reader.look_up = lambda: look_up(filled, sources, now())
        yield found


CHAPTERS = (
    subscribing, preferring, judging_papers, bringing_a_library, changing_the_address, leaving, taking_data_along,
    reading,
)  # fmt: skip


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_step_works_in_each_way(readers, accessibility, chapter):
    found = {}
    for reader in readers:
        for step in chapter(reader):
            if faults := reader.faults(accessibility):
                found[step, reader.way] = faults
    assert found == {}


def test_every_public_page_works_in_each_way_and_fits_every_screen(readers, accessibility):
    """Those behind a personal link are in the chapters."""
    pages = {name: path for name, path in places(readers[0].visit).items() if not PERSONAL.match(path)}
    found, both = {}, (pages.values(), in_chinese(pages))
    for reader, paths, screens in zip(readers, both, ((1280,), (640,)), strict=True):
        for path in paths:
            reader.open(path)
            faults = [f"{width} px" for width in too_wide(reader.page, *screens)] + reader.faults(
                accessibility, start=""
            )
            if faults:
                found[path, reader.way] = faults
    assert found == {}


FAULTS = """() => {
  const main = document.querySelector("main")
  main.insertAdjacentHTML("afterbegin", `<p id="late"></p><p>Some text</p><button></button>
    <a id="bare" href="/">A link</a> <a href="/" tabindex="2">Another</a>`)
  main.style.width = "500px"
  bare.style.outline = "none"
  console.error("a complaint")
  setTimeout(() => { late.style.height = "300px" }, 200)
}"""


def test_each_kind_of_fault_is_found(readers, accessibility):
    reader = readers[0]
    reader.open("/manage")
    reader.page.evaluate(FAULTS)
    wait_for(lambda: reader.page.evaluate(SHIFTED), 10, "the shift")
    found = str(reader.faults(accessibility))
    for fault in (
        "a complaint",
        "scrolls sideways",
        "things move",
        "no focus to be seen",
        "stops, reached",
        "button-name",
    ):
        assert fault in found


def test_tab_goes_through_the_header_too_and_its_first_stop_leads_past_it(readers, accessibility):
    reader = readers[0]
    reader.open("/")
    assert reader.faults(accessibility, start="body") == []
    reader.open("/")
    for key in ("Tab", "Enter", "Tab"):
        reader.page.keyboard.press(key)
    assert reader.page.evaluate("document.activeElement.closest('main') !== null")

"""Somebody who reads our pages in a browser, in one of two ways that together cover language, scripts and keyboard."""

from dataclasses import dataclass
from datetime import timedelta

from digest.clock import now
from digest.database.engine import read_only
from digest.subscribers.paper_feedback import feedback_by
from digest.subscribers.tokens import Purpose
from tests.support.keyboard import faults_of_tab
from tests.support.waiting import wait_for

PATHS = {Purpose.MANAGE: "preferences", Purpose.FRESH: "preferences", Purpose.UNSUBSCRIBE: "u"}
PLAIN = "main form button[type=submit]:not([name])"  # what sends a form that has one thing to do
# The sum of layout shifts that followed no input.
SHIFTED = """() => {
  const observer = new PerformanceObserver(() => {})
  observer.observe({type: "layout-shift", buffered: true})
  return observer.takeRecords().reduce((sum, {hadRecentInput, value}) => sum + (hadRecentInput ? 0 : value), 0)
}"""
# Titles in English that a screen reader would read out in the language of the page.
MISREAD = """() => [...document.querySelectorAll("main a[href*='/papers/']:not([href$=bib], [href$=ris])")]
  .filter(e => /^[ -~]+$/.test(e.textContent.trim()))
  .filter(e => (e.querySelector("[lang]") ?? e.closest("[lang]")).lang !== "en").map(e => e.outerHTML)"""


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


class Visitor:
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
        """Open the link of this purpose, as emails contain it."""
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
        """Return the faults of the page as it is; the Tab key goes through everything below `start`."""
        found, self._complaints = self._complaints, []
        if (language := self.page.locator("html").get_attribute("lang")) != self.way.language:
            found.append(f"in {language}")
        found += self.page.evaluate(MISREAD)
        if self.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append("scrolls sideways")
        if self.way.scripts:
            if shifted := self.page.evaluate(SHIFTED):
                found.append(f"things move by {shifted}")
            found += faults_of_tab(self.page, self._walked, start) if start else []
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

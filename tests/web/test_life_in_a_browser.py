"""Everything that a subscriber can do on our pages, step by step, in a browser.

Each chapter is read twice: in English with scripts and the keyboard alone, on the smallest screen, and in Chinese with
neither, on a phone. After each step the page is judged. Buttons and fields are found by their names, since the words on
them depend on the language. tests/end_to_end/test_browser.py begins with the emails instead.
"""

import pytest

from digest.clock import now
from digest.web.app import create_app
from digest.web.guard import PERSONAL
from tests.support.accessibility import Accessibility
from tests.support.chromium import too_wide
from tests.support.waiting import wait_for
from tests.web.browser_visitor import SHIFTED, WAYS, Visitor
from tests.web.chapters import CHAPTERS
from tests.web.personal.test_library import run as look_up
from tests.web.personal.test_library import sources as sources
from tests.web.rendered_pages import in_chinese, places, serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]


@pytest.fixture(scope="module")
def accessibility():
    return Accessibility()


@pytest.fixture
def visitors(chromium, filled, settings, clock, sources):
    """One for each way, at one site."""
    with serving(create_app(filled.engine, settings, lambda: None)) as url:
        found = [Visitor(way, chromium, url, filled, clock) for way in WAYS]
        for visitor in found:
            visitor.look_up = lambda: look_up(filled, sources, now())
        yield found


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_every_step_works_in_each_way(visitors, accessibility, chapter):
    found = {}
    for visitor in visitors:
        for step in chapter(visitor):
            if faults := visitor.faults(accessibility):
                found[step, visitor.way] = faults
    assert found == {}


def test_every_public_page_works_in_each_way_and_fits_every_screen(visitors, accessibility):
    """Those behind a personal link are in the chapters."""
    pages = {name: path for name, path in places(visitors[0].visit).items() if not PERSONAL.match(path)}
    found, both = {}, (pages.values(), in_chinese(pages))
    for visitor, paths, screens in zip(visitors, both, ((1280,), (640,)), strict=True):
        for path in paths:
            visitor.open(path)
            faults = [f"{width} px" for width in too_wide(visitor.page, *screens)] + visitor.faults(
                accessibility, start=""
            )
            if faults:
                found[path, visitor.way] = faults
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


def test_each_kind_of_fault_is_found(visitors, accessibility):
    visitor = visitors[0]
    visitor.open("/manage")
    visitor.page.evaluate(FAULTS)
    wait_for(lambda: visitor.page.evaluate(SHIFTED), 10, "the shift")
    found = str(visitor.faults(accessibility))
    for fault in (
        "a complaint",
        "scrolls sideways",
        "things move",
        "no focus to be seen",
        "stops, reached",
        "button-name",
    ):
        assert fault in found


def test_tab_goes_through_the_header_too_and_its_first_stop_leads_past_it(visitors, accessibility):
    visitor = visitors[0]
    visitor.open("/")
    assert visitor.faults(accessibility, start="body") == []
    visitor.open("/")
    for key in ("Tab", "Enter", "Tab"):
        visitor.page.keyboard.press(key)
    assert visitor.page.evaluate("document.activeElement.closest('main') !== null")

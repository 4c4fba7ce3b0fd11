"""With a keyboard alone: every stop is reached, in the order of the page, and shows that it has the focus."""

from datetime import timedelta

import pytest

from digest.clock import now
from digest.subscribers.subscriber import Balance
from digest.subscribers.tokens import Purpose
from digest.web.app import create_app
from tests.support.waiting import wait_for
from tests.web.conftest import ADDRESS
from tests.web.rendered_pages import serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]

# All that a keyboard should reach; of a group of radio buttons the one that is chosen.
NUMBER_STOPS = """() => {
  const all = [...document.querySelectorAll("a[href], button, input, select, textarea, summary")]
  const stops = all.filter(e => e.tabIndex >= 0 && e.type !== "hidden" && e.checkVisibility()
    && !(e.type === "radio" && !e.checked))
  stops.forEach((e, at) => e.dataset.stop = at)
  return stops.length
}"""
HERE = """() => {
  const e = document.activeElement
  if (e === document.body) return null
  const ringed = [e, ...e.parentElement.querySelectorAll(":scope > span")].some(one => {
    const style = getComputedStyle(one)
    return style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2
  })
  const box = e.getBoundingClientRect()
  const inside = box.bottom > 0 && box.top < innerHeight
  return {stop: Number(e.dataset.stop), what: e.outerHTML.slice(0, 120), seen: ringed && inside}
}"""


@pytest.fixture
def site(filled, settings):
    """The address of a site with content."""
    with serving(create_app(filled.engine, settings, lambda: None)) as url:
        yield url


def walk(page):
    """Every stop of the Tab key from the top of the page to its end."""
    stops = page.evaluate(NUMBER_STOPS)
    found = []
    for _ in range(2 * stops):
        page.keyboard.press("Tab")
        here = page.evaluate(HERE)
        if here is None or (found and here["stop"] < found[-1]["stop"]):
            break
        if not found or here["stop"] > found[-1]["stop"]:  # day, month and year of a date are stops within one field
            found.append(here)
    return stops, found


def tab_to(page, selector):
    """Press Tab until the element has the focus."""
    for _ in range(200):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never comes to {selector}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_tab_goes_through_every_stop_in_order_and_each_is_seen(chromium, visit, site, scheme):
    preferences = f"/preferences/{visit.token(Purpose.MANAGE, visit.subscribed())}"
    page = chromium.new_page(color_scheme=scheme, viewport={"width": 640, "height": 700})
    for path in ("/", preferences, "/manage", "/privacy"):
        page.goto(site + path)
        stops, found = walk(page)
        assert [one["what"] for one in found if not one["seen"]] == []
        assert [one["stop"] for one in found] == list(range(stops)), path


def test_a_reader_subscribes_without_a_mouse(chromium, visit, site, clock):
    page = chromium.new_page()
    page.goto(site)
    tab_to(page, "#email")
    page.keyboard.type(ADDRESS)
    clock.move_to(now() + timedelta(seconds=3))  # as long as a person takes
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Check your inbox").wait_for()
    wait_for(lambda: not visit.waiting_requests(), 30, "the subscription")  # it is stored after the answer
    assert visit.subscriber().email == ADDRESS


def test_a_reader_changes_preferences_without_a_mouse(chromium, visit, site):
    subscriber = visit.subscribed()
    page = chromium.new_page()
    page.goto(f"{site}/preferences/{visit.token(Purpose.MANAGE, subscriber)}")
    tab_to(page, "[name=topics]")
    page.keyboard.press("Space")
    tab_to(page, "#keywords")
    page.keyboard.type("surprise")
    tab_to(page, "[name=balance]")
    page.keyboard.press("ArrowDown")
    tab_to(page, "[name=full_lists][type=checkbox]")
    page.keyboard.press("Space")
    tab_to(page, "button:not([name]):not(.quiet)")
    page.keyboard.press("Enter")
    page.get_by_role("status").wait_for()
    wishes = visit.subscriber().preferences
    assert (len(wishes.topics), wishes.keywords) == (1, ("surprise",))
    assert (wishes.balance, wishes.full_lists) == (Balance.MINE, True)


def test_a_skip_link_leads_past_the_header(chromium, visit, site):
    page = chromium.new_page()
    page.goto(site)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")

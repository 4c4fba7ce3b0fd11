"""Every page as a browser has it: accessible, no wider than the screen, small, and never a dead end."""

import re
from collections import deque
from urllib.parse import urljoin, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from digest.web.app import create_app
from tests.web.shown import fill, places, serving

pytestmark = [pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
WIDTHS = (320, 390, 640, 1280)
LARGEST = 20_000  # bytes of HTML and CSS, before images


@pytest.fixture
def shown(visit, settings):
    """The pages of a site with content, by name, and the address of that site."""
    today = fill(visit.engine)
    with serving(create_app(visit.engine, settings, lambda: None)) as url:
        yield url, places(visit, today)


@pytest.mark.browser
@pytest.mark.timeout(240)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_any_page(chromium, shown, scheme):
    url, pages = shown
    context = chromium.new_context(color_scheme=scheme, viewport={"width": 390, "height": 800})
    wrong = {}
    for name, path in pages.items():
        page = context.new_page()
        page.goto(url + path)
        found = Axe().run(page).response["violations"]
        if found:
            wrong[name] = [(one["id"], [node["html"] for node in one["nodes"]][:3]) for one in found]
        page.close()
    assert wrong == {}


@pytest.mark.browser
@pytest.mark.timeout(240)
def test_no_page_scrolls_sideways_on_any_screen(chromium, shown):
    url, pages = shown
    wide = []
    for width in WIDTHS:
        page = chromium.new_page(viewport={"width": width, "height": 800})
        for name, path in pages.items():
            page.goto(url + path)
            if page.evaluate("document.documentElement.scrollWidth") > width:
                wide.append((name, width))
        page.close()
    assert wide == []


@pytest.mark.browser
def test_no_page_runs_a_script_of_others_or_breaks_its_own_policy(chromium, shown):
    url, pages = shown
    page = chromium.new_page()
    asked, said = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    for path in pages.values():
        page.goto(url + path)
    assert [one for one in asked if not one.startswith(url)] == []
    assert [one for one in said if "404" not in one] == []  # the console names the page that is not there


def test_every_page_is_small(visit):
    today = fill(visit.engine)
    sizes = {}
    for name, path in places(visit, today).items():
        text = visit.browser.get(path).text
        styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', text)
        sizes[name] = len(text.encode()) + sum(len(visit.browser.get(style).content) for style in styles)
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def test_from_the_front_page_every_link_leads_somewhere_and_back(visit):
    today = fill(visit.engine)
    places(visit, today)
    waiting, seen, broken = deque(["/"]), {"/"}, []
    while waiting and len(seen) < 400:
        path = waiting.popleft()
        answer = visit.browser.get(path)
        if answer.status_code != 200:
            broken.append((path, answer.status_code))
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        links = [urljoin(path, one.replace("&amp;", "&")) for one in re.findall(r'<a[^>]* href="([^"#]+)', answer.text)]
        here = [one.removeprefix("http://127.0.0.1:8000") for one in links]
        ours = [one for one in here if not urlsplit(one).netloc and one.startswith("/")]
        if not (re.search(r"<title>[^<]+</title>", answer.text) and '<html lang="' in answer.text and "/" in ours):
            broken.append((path, "no title, no language or no way back"))
        for one in ours:
            if one not in seen:
                seen.add(one)
                waiting.append(one)
    assert broken == []
    assert len(seen) > 50

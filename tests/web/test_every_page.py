"""Every page is small, in both languages, and never a dead end; test_life_in_a_browser.py opens them in one."""

import re
from collections import deque
from datetime import timedelta
from urllib.parse import urljoin, urlsplit

import pytest

from digest.demo.sample import store_sample
from tests.support.scenario import cut
from tests.web.conftest import START
from tests.web.rendered_pages import in_chinese, places

pytestmark = [pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)]
FILE = re.compile(r"/feed\.|\.(bib|ris)$")  # in no language of their own
LARGEST = 30_000  # bytes of HTML and CSS, before images


def test_head_tells_of_a_page_what_get_does(filled):
    visit, pages = filled, places(filled)
    for path in (*pages.values(), *in_chinese(pages)):
        whole, head = visit.browser.get(path), visit.browser.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers == whole.headers, path
        assert head.headers["content-language"] in ("en", "zh-CN")
        assert "Accept-Language" in head.headers["vary"]


@pytest.mark.parametrize("name", ["front", "issues", "issue", "paper", "topics", "topic", "search", "empty search"])
def test_one_can_subscribe_wherever_there_are_papers(filled, name):
    page = filled.browser.get(places(filled)[name])
    assert page.text.count('action="/subscribe"') == 1


def test_every_page_is_small(filled):
    assert too_large(filled, places(filled)) == {}


def test_so_are_pages_of_real_papers(visit):
    morning = START - timedelta(hours=4)
    store_sample(visit.engine, morning)
    cut(visit.engine, START.date(), morning)
    pages = {"front": "/", "found": "/search?q=agents", "topic": "/topics/agents"}
    assert too_large(visit, pages | {str(page): f"/issues/{START.date()}?page={page}" for page in (1, 2)}) == {}


def too_large(visit, pages):
    """Bytes of HTML and CSS by path, in both languages."""
    sizes = {}
    for path in (*pages.values(), *in_chinese(pages)):
        text = visit.browser.get(path).text
        styles = re.findall(r'<link rel="stylesheet" href="([^"]+)"', text)
        sizes[path] = len(text.encode()) + sum(len(visit.browser.get(style).content) for style in styles)
    return {path: size for path, size in sizes.items() if size > LARGEST}


@pytest.mark.parametrize("lang", ["", "?lang=zh-CN"])
def test_from_the_front_page_every_link_leads_somewhere_and_back(filled, lang):
    visit = filled
    places(filled)
    waiting, seen, broken = deque([f"/{lang}"]), {f"/{lang}"}, []
    while waiting and len(seen) < 400:
        path = waiting.popleft()
        answer = visit.browser.get(path)
        if answer.status_code != 200:
            broken.append((path, answer.status_code))
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        ours = _links(path, answer.text)
        if not (re.search(r"<title>[^<]+</title>", answer.text) and '<html lang="' in answer.text):
            broken.append((path, "no title or no language"))
        if not any(urlsplit(one).path == "/" for one in ours):
            broken.append((path, "no way back"))
        if any(("lang=zh-CN" in one) != bool(lang) for one in ours if not FILE.search(one)):
            broken.append((path, "a link forgets or takes on a language"))
        waiting.extend(one for one in ours if one not in seen)
        seen.update(ours)
    assert broken == []
    assert len(seen) > 50


def _links(path, page):
    """The links of a page within the site, except those to itself in each language."""
    found = re.findall(r'<a[^>]* href="([^"#]+)"(?! hreflang)', page)
    links = [urljoin(path, one.replace("&amp;", "&")).removeprefix("http://127.0.0.1:8000") for one in found]
    return list(dict.fromkeys(one for one in links if one.startswith("/") and not urlsplit(one).netloc))

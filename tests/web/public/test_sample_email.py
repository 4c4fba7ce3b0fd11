"""The page that shows an email to people who have not subscribed."""

import re

import pytest

from tests.support.scenario import ON_SQLITE
from tests.web.conftest import Visit

pytestmark = ON_SQLITE


def test_it_shows_the_newest_issue_as_it_is_emailed(filled: Visit) -> None:
    page, frame = (filled.browser.get(path) for path in ("/sample-email", "/sample-email/html"))
    assert "Subject:" in page.text
    assert "Attention, quantization" in frame.text
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    assert "sandbox" in frame.headers["content-security-policy"]
    assert "script" not in frame.headers["content-security-policy"]
    for answer in (page, frame):
        assert answer.headers["cache-control"] == "public, max-age=300"
        again = {"If-None-Match": answer.headers["etag"]}
        assert filled.browser.get(answer.url.path, headers=again).status_code == 304


@pytest.mark.parametrize("lang", ["en", "zh-CN"])
def test_its_language_is_that_of_the_page_and_no_link_in_it_is_personal(filled: Visit, lang: str) -> None:
    frame = filled.browser.get(f"/sample-email/html?lang={lang}").text
    assert f'lang="{lang}"' in frame
    links = re.findall(r'href="([^"]+)"', frame)
    assert any("arxiv.org/" in link for link in links)
    assert [link for link in links if re.search(r"/(u|preferences|feedback|confirm|my)/", link)] == []


def test_it_says_so_while_there_is_no_issue(visit: Visit) -> None:
    page = visit.browser.get("/sample-email")
    assert page.status_code == 200
    assert "There’s no issue yet" in page.text
    assert "<iframe" not in page.text
    assert visit.browser.get("/sample-email/html").status_code == 404

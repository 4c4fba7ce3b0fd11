"""Pages in the language that the browser, the address or the subscriber asks for."""

import re

import pytest

from digest.subscribers.subscriber import Preferences
from digest.subscribers.tokens import Purpose
from tests.web.conftest import ADDRESS, Visit
from tests.web.conftest import settings as settings
from tests.web.conftest import visit as visit

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9"}
LOST = "/preferences/nobody"


def language_of(page: str) -> str:
    found = re.search(r'<html lang="([^"]+)" dir="ltr">', page)
    assert found is not None
    return found[1]


def test_caches_keep_a_page_for_each_language(visit: Visit):
    english, chinese = visit.browser.get("/issues"), visit.browser.get("/issues", headers=CHINESE)
    assert english.headers["etag"] != chinese.headers["etag"]
    for answer in (english, chinese):
        assert answer.headers["Vary"] == "Accept-Language"
        assert answer.headers["Cache-Control"] == "public, max-age=300"
    known = {"If-None-Match": chinese.headers["etag"]}
    again = visit.browser.get("/issues", headers=CHINESE | known)
    assert (again.status_code, again.headers["Vary"]) == (304, "Accept-Language")
    assert visit.browser.get("/issues", headers=known).status_code == 200


def test_a_page_is_in_the_browsers_language_and_says_that_it_depends_on_it(visit: Visit):
    answer = visit.browser.get(LOST, headers=CHINESE)
    assert (answer.status_code, language_of(answer.text)) == (404, "zh-CN")
    assert "此链接无效" in answer.text
    assert answer.headers["Vary"] == "Accept-Language"
    assert language_of(visit.browser.get(LOST).text) == "en"


def test_the_address_wins_over_the_browser_and_the_links_keep_it(visit: Visit):
    page = visit.browser.get("/issues?lang=en", headers=CHINESE).text
    assert language_of(page) == "en"
    assert 'href="/manage?lang=en"' in page
    chosen = visit.browser.get("/issues", headers=CHINESE).text
    assert 'href="/manage"' in chosen
    assert language_of(visit.browser.get("/issues?lang=tlh", headers=CHINESE).text) == "zh-CN"


def test_every_page_leads_to_itself_in_the_other_languages(visit: Visit):
    page = visit.browser.get("/issues?lang=en&x=1%262").text
    assert 'hreflang="zh-CN" href="http://127.0.0.1:8000/issues?x=1%262&amp;lang=zh-CN"' in page
    assert '<a href="?x=1%262&amp;lang=zh-CN" hreflang="zh-CN" lang="zh-CN">简体中文</a>' in page


def test_a_page_is_its_own_original_in_a_language_that_was_chosen(visit: Visit):
    for query in ("", "?lang=zh-CN"):
        page = visit.browser.get(f"/issues{query}").text
        assert f'<link rel="canonical" href="http://127.0.0.1:8000/issues{query}">' in page


def test_forms_keep_the_language_that_was_chosen(visit: Visit):
    page = visit.browser.get("/?lang=zh-CN").text
    assert 'action="/subscribe?lang=zh-CN"' in page
    assert '<input type="hidden" name="lang" value="zh-CN">' in page
    assert 'name="lang"' not in visit.browser.get("/").text


def test_the_address_of_the_forms_answer_leads_to_the_form(visit: Visit):
    for path, form in (("/subscribe", "/"), ("/subscribe?lang=zh-CN", "/?lang=zh-CN")):
        answer = visit.browser.get(path, follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, form)


def test_a_personal_page_tells_its_address_to_nobody(visit: Visit):
    subscriber = visit.subscribed()
    page = visit.browser.get(f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}").text
    assert 'rel="alternate" hreflang' not in page
    assert 'href="?lang=zh-CN"' in page


def test_who_signs_up_gets_mails_in_the_language_of_the_page(visit: Visit):
    visit.browser.post("/subscribe", data={"email": ADDRESS}, headers=CHINESE)
    assert visit.subscriber().preferences.language == "zh-CN"


def test_a_reader_changes_the_language_and_their_page_follows(visit: Visit):
    path = f"/preferences/{visit.token(Purpose.MANAGE, visit.subscribed())}"
    page = visit.browser.post(path, data={"language": "zh-CN"}).text
    assert visit.subscriber().preferences.language == "zh-CN"
    assert language_of(page) == "zh-CN"
    assert language_of(visit.browser.get(path).text) == "zh-CN"
    assert language_of(visit.browser.get(path + "?lang=en").text) == "en"


def test_pages_behind_a_mails_links_are_in_the_readers_language(visit: Visit):
    subscriber = visit.subscribed()
    visit.browser.post(f"/preferences/{visit.token(Purpose.MANAGE, subscriber)}", data={"language": "zh-CN"})
    for purpose, start in ((Purpose.FEEDBACK, "/feedback/"), (Purpose.UNSUBSCRIBE, "/u/")):
        path = start + visit.token(purpose, subscriber)
        assert language_of(visit.browser.get(path).text) == "zh-CN"
        assert language_of(visit.browser.get(path + "?lang=en").text) == "en"
    assert language_of(visit.browser.post(path).text) == "zh-CN"


def test_what_is_wrong_with_a_field_is_said_in_the_readers_language(visit: Visit):
    path = f"/preferences/{visit.token(Purpose.MANAGE, visit.subscribed())}?lang=zh-CN"
    page = visit.browser.post(path, data={"papers": "0", "language": "tlh"}).text
    assert "请输入 1 到 25 之间的数字。" in page
    assert "请从列出的语言中选择一种。" in page
    assert visit.subscriber().preferences == Preferences(language="en")


@pytest.mark.parametrize("page", ["/", "/how-papers-are-chosen", "/privacy", "/manage", "/saved"])
def test_sentences_of_chinese_follow_each_other_without_blanks(visit: Visit, page: str):
    chinese = visit.browser.get(page, params={"lang": "zh-CN"}).text
    assert re.findall(r".{0,20}[。！？] (?:<a[^>]*>)?[^<\s].{0,9}", chinese) == []

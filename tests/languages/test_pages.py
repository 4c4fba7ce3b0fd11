"""Pages in the language that the browser, the address or the reader asks for."""

import re

import pytest
from starlette.testclient import TestClient

from digest.subscribers.subscriber import Preferences
from digest.subscribers.tokens import Purpose
from digest.web.app import create_app
from tests.languages.pseudo import CODE, Main, pseudo_languages, words_outside
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


def test_a_personal_page_tells_its_address_to_nobody(visit: Visit):
    reader = visit.subscribed()
    page = visit.browser.get(f"/preferences/{visit.token(Purpose.MANAGE, reader)}").text
    assert 'rel="alternate" hreflang' not in page
    assert 'href="?lang=zh-CN"' in page


def test_who_signs_up_gets_mails_in_the_language_of_the_page(visit: Visit):
    visit.browser.post("/subscribe", data={"email": ADDRESS}, headers=CHINESE)
    assert visit.reader().preferences.language == "zh-CN"


def test_a_reader_changes_the_language_and_their_page_follows(visit: Visit):
    path = f"/preferences/{visit.token(Purpose.MANAGE, visit.subscribed())}"
    page = visit.browser.post(path, data={"language": "zh-CN"}).text
    assert visit.reader().preferences.language == "zh-CN"
    assert language_of(page) == "zh-CN"
    assert language_of(visit.browser.get(path).text) == "zh-CN"
    assert language_of(visit.browser.get(path + "?lang=en").text) == "en"


def test_what_is_wrong_with_a_field_is_said_in_the_readers_language(visit: Visit):
    path = f"/preferences/{visit.token(Purpose.MANAGE, visit.subscribed())}?lang=zh-CN"
    page = visit.browser.post(path, data={"papers": "0", "language": "tlh"}).text
    assert "请输入 1 到 25 之间的数字。" in page
    assert "请从列出的语言中选择一种。" in page
    assert visit.reader().preferences == Preferences(language="en")


def test_nothing_on_a_page_stays_english_in_another_language(visit: Visit, settings, tmp_path):
    app = create_app(visit.engine, settings, lambda: None, pseudo_languages(tmp_path))
    page = TestClient(app, base_url="http://127.0.0.1:8000").get(f"{LOST}?lang={CODE}").text
    texts = Main(page).texts
    assert any("⟦" in text for text in texts)
    assert words_outside(texts) == []

"""A notice in the console, from its first word to the queue."""

import re

import pytest

from digest.clock import now
from digest.database.engine import read_only
from digest.mail.notices import NoticeState, latest_notices, queue_next
from digest.web.guard import MAX_BODY
from tests.support.scenario import PLAN, add_subscriber
from tests.web.conftest import START
from tests.web.console.conftest import do, form_token

ENGLISH = {"subject-en": "We move on Monday", "text-en": "The address changes.\n\nhttps://papers.example.org/moving"}
CHINESE = {"subject-zh-CN": "我们周一搬家", "text-zh-CN": "网址会改变。"}
ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def stored(visit):
    with read_only(visit.engine) as connection:
        return latest_notices(connection, 10)


def write(browser, **fields):
    return do(browser, "/console/notices/new", **(ENGLISH | fields))


def test_a_notice_is_written_looked_at_sent_and_queued_for_each_subscriber(visit, ada, clock):
    page = write(ada, **CHINESE)
    assert "Nobody gets it before you send it." in page
    assert "Send to 3 subscribers" in page
    assert page.count("/console/notices/1/preview/") == 8
    assert "follows" in page
    assert '<ul class="problems">' not in page
    page = do(ada, "/console/notices/1/send", typed="3", shown="3")
    assert "in a moment it is queued" in page
    assert "sent by ada" in page
    assert queue_next(visit.engine, PLAN.settings, now()) == 3
    assert visit.queued().count("notice") == 3
    page = ada.get(f"/console/issues/{START.date()}/notice").text
    assert f"Notice of {START.date()}" in page
    assert "3 waiting" in page
    page = do(ada, f"/console/issues/{START.date()}/notice/pause", reason="a mistake")
    assert "The issue is paused." in page
    assert "paused" in ada.get("/console/notices").text


@ONE_DATABASE
@pytest.mark.parametrize("typed", ["", "2", "33", "yes", "３", "3.0", "-3"])
def test_a_slip_in_the_number_sends_nothing(visit, ada, typed):
    write(ada)
    assert "Nothing was sent" in do(ada, "/console/notices/1/send", typed=typed, shown="3")
    assert stored(visit)[0].state is NoticeState.DRAFT


@ONE_DATABASE
def test_a_number_that_is_no_longer_true_sends_nothing(visit, ada):
    write(ada)
    for number in range(20):
        add_subscriber(visit.engine, f"new{number}@example.org")
    assert "Nothing was sent" in do(ada, "/console/notices/1/send", typed="3", shown="3")
    assert stored(visit)[0].state is NoticeState.DRAFT


@ONE_DATABASE
def test_a_double_click_sends_one_notice_and_the_same_again_needs_a_tick(visit, ada):
    write(ada)
    do(ada, "/console/notices/1/send", typed="3", shown="3")
    assert "Nothing changed" in do(ada, "/console/notices/1/send", typed="3", shown="3")
    write(ada)
    assert "the same notice was sent" in do(ada, "/console/notices/2/send", typed="3", shown="3")
    assert stored(visit)[0].state is NoticeState.DRAFT
    assert "in a moment" in do(ada, "/console/notices/2/send", typed="3", shown="3", again="yes")


@ONE_DATABASE
def test_it_is_changed_while_a_draft_and_taken_back_before_it_is_queued(visit, ada):
    write(ada)
    do(ada, "/console/notices/1/edit", **(ENGLISH | {"subject-en": "We move on Tuesday"}))
    do(ada, "/console/notices/1/send", typed="3", shown="3")
    assert "Nothing changed" in do(ada, "/console/notices/1/edit", **ENGLISH)
    assert "is a draft again" in do(ada, "/console/notices/1/take-back")
    assert stored(visit)[0].subject == "We move on Tuesday"
    assert queue_next(visit.engine, PLAN.settings, now()) is None


@ONE_DATABASE
def test_what_is_incomplete_is_kept_in_the_form_and_a_long_text_in_chinese_is_taken(visit, ada):
    token = form_token(ada.get("/console").text)
    answer = ada.post("/console/notices/new", data={"form_token": token, "subject-en": "<b>Only</b> this"})
    assert answer.status_code == 400
    assert "&lt;b&gt;Only&lt;/b&gt; this" in answer.text
    assert stored(visit) == []
    text = "长" * 9_000
    assert 9 * len(text) > MAX_BODY
    do(ada, "/console/notices/new", **(CHINESE | {"text-zh-CN": text}))
    assert stored(visit)[0].texts["zh-CN"].text == text


@ONE_DATABASE
def test_the_preview_is_a_page_in_which_nothing_runs(ada):
    write(ada, **{"text-en": "<script>alert(1)</script>"})
    for dark in (0, 1):
        frame = ada.get(f"/console/notices/1/preview/en?dark={dark}")
        policy = frame.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert policy.endswith("sandbox")
        assert "<script" not in frame.text
        assert bool(re.search(r"@media all", frame.text)) == bool(dark)
    assert ada.get("/console/notices/1/preview/zh-CN").status_code == 404


@ONE_DATABASE
def test_a_test_goes_to_one_address_and_the_log_names_nobody(visit, signed_in, settings, smtp_server, clock):
    add_subscriber(visit.engine, "bob@example.org")
    own = settings.model_copy(update={"smtp_url": type(settings.redis_url)(smtp_server.url)})
    browser = signed_in("ada", settings=own)
    browser.follow_redirects = True
    write(browser)
    assert "The test is on its way" in do(browser, "/console/notices/1/test", address="ada@example.org", language="en")
    assert [taken.rcpt_tos for taken in smtp_server.taken] == [("ada@example.org",)]
    page = browser.get("/console/notices/1").text
    assert "test accepted by ada" in page
    assert "ada@example.org" not in page
    assert visit.queued() == []
    assert "not an email address" in do(browser, "/console/notices/1/test", address="nobody", language="en")


@ONE_DATABASE
def test_public_pages_never_show_a_notice_and_its_link_shows_it_to_its_subscriber_alone(filled, clock):
    """It has no place among the issues; who got it can read it in the browser."""
    from digest.database.engine import transaction
    from digest.database.tables import deliveries
    from digest.issues.issue import NoticeText
    from digest.mail.notices import add_notice, send_notice
    from digest.subscribers.tokens import Purpose

    subscriber = filled.subscribed()
    with transaction(filled.engine) as connection:
        number = add_notice(connection, {"en": NoticeText("We move on Monday", "See <b>https://e.org</b>")}, now())
        send_notice(connection, number, now())
    assert queue_next(filled.engine, PLAN.settings, now()) == 1
    assert not any("We move" in filled.browser.get(path).text for path in ("/", "/issues", "/feed.atom"))
    assert filled.browser.get(f"/issues/{START.date()}/notice").status_code == 404
    mine = f"/feedback/{filled.token(Purpose.FEEDBACK, subscriber)}/issues/{START.date()}/notice"
    assert filled.browser.get(mine).status_code == 404  # not sent yet
    with transaction(filled.engine) as connection:
        selection = {"picks": [], "left_out": 0, "language": "en"}
        connection.execute(
            deliveries.update().where(deliveries.c.kind == "notice").values(state="accepted", selection=selection)
        )
    page = filled.browser.get(mine)
    assert page.status_code == 200
    assert "We move on Monday" in page.text
    assert "&lt;b&gt;" in page.text
    other = add_subscriber(filled.engine, "eve@example.org")
    theirs = f"/feedback/{filled.token(Purpose.FEEDBACK, other)}/issues/{START.date()}/notice"
    assert filled.browser.get(theirs).status_code == 404


@ONE_DATABASE
def test_the_list_goes_back_to_the_first_notice(visit, ada):
    for number in range(32):
        write(ada, **{"subject-en": f"Notice {number:02}"})
    page = ada.get("/console/notices").text
    assert "Notice 31" in page
    assert "Notice 01" not in page
    older = re.search(r'href="([^"]+before=\d+)"', page)[1]
    assert "Notice 01" in ada.get(older).text

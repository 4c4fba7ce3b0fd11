"""The console in a browser: accessible on each page, wide and narrow, and every action by keyboard alone."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from digest.clock import now
from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries, webhook_events
from digest.issues.editing import choices_of
from digest.issues.issue import NoticeText
from digest.ledger.kinds import SuppressionReason
from digest.ledger.outbox import CHOSEN_TYPES, EventType, NewEvent, publish
from digest.mail.notices import add_notice
from digest.mail.pauses import current, pause_by_hand
from digest.monitoring.api_tokens import token_of
from digest.monitoring.heartbeats import Role, beat, this_process
from digest.monitoring.webhooks.endpoints import add as add_endpoint
from digest.papers.collecting import SourceHealth, SourceRun, record_run
from digest.subscribers.suppressions import suppress
from digest.web.app import create_app
from tests.support.accessibility import Accessibility
from tests.support.chromium import too_wide, violations
from tests.support.scenario import PLAN, add_papers, add_subscriber, change_deliveries, cut
from tests.web.conftest import START
from tests.web.console.conftest import link_for
from tests.web.rendered_pages import serving

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
TODAY = START.date()
REACHED = "a[href], button, input:not([type=hidden]), select, textarea, summary, iframe"
PATHS = (
    "",
    "/next?q=paper",
    "/days",
    "/waiting",
    "/bounces?domain=example.org",
    "/domains",
    "/growth",
    "/issues",
    f"/issues/{TODAY}/daily",
    f"/issues/{TODAY}/daily?show=queued",
    f"/issues/{TODAY}/daily/cancel",
    f"/issues/{TODAY}/daily/retry/uncertain",
    f"/issues/{TODAY}/daily/withdraw",
    "/subscribers?q=ada",
    "/subscribers/1",
    "/suppressions?q=ada1@example.org",
    "/notices",
    "/notices/new",
    "/notices/1",
    "/notices/1/edit",
    "/templates",
    "/sources",
    "/webhooks",
    "/webhooks/1",
    "/webhooks/1/remove",
    "/settings",
    "/api-tokens",
    "/log",
    "/sign-in",
    "/sign-in/x",
)
# A new page has loaded, and its main part has the text.
IS_PAST_THE_SKIP_LINK = f"""name => document.activeElement === document.body
  && [...document.querySelectorAll("main :is({REACHED})")].some(e => (READ)(e).trim() === name)"""
# Visible elements that Tab reaches, in order.
STOPS = f"""() => [...document.querySelectorAll("{REACHED}")]
  .filter(e => e.tabIndex >= 0 && e.checkVisibility({{visibilityProperty: true}}))
  .map(e => [e.tabIndex, e.outerHTML.slice(0, 120)])"""
STATES = ("accepted", "refused", "quarantined", "uncertain", "sending")


def fill_console(visit) -> None:
    """An issue in the middle of its sending, with something of each kind to decide about."""
    ids = [add_subscriber(visit.engine, f"ada{number}@example.org", hour=23).id for number in range(12)]
    add_papers(visit.engine, range(3), START)
    cut(visit.engine, TODAY, START, replace(PLAN, warm_up=False))
    with transaction(visit.engine) as connection:
        for subscriber_id, state in zip(ids, STATES, strict=False):
            finished_at = None if state == "sending" else now()
            change_deliveries(
                connection, deliveries.c.subscriber_id == subscriber_id, state=state, finished_at=finished_at
            )
    beat(visit.engine, this_process(Role.WEB), {}, is_first=True)
    with transaction(visit.engine) as connection:
        suppress(connection, visit.subscriber("ada1@example.org").key, SuppressionReason.REFUSED, "550 5.1.1", now())
        record_run(connection, SourceRun("arxiv", TODAY, START, SourceHealth.FAILING, 0, 0, (), "no route to host"))
    with transaction(visit.engine) as connection:
        add_endpoint(connection, "https://hooks.example.org/digest", CHOSEN_TYPES, "the chat", now())
        publish(connection, EventType.ISSUE_CUT, now(), [NewEvent(), NewEvent()])
        failed = {"state": "failed", "attempts": 10, "status": 502, "answer": "<h1>Bad gateway</h1>"}
        connection.execute(update(webhook_events).where(webhook_events.c.id == 1).values(**failed, attempted_at=now()))
    texts = {"en": NoticeText("We move on Monday", "The address changes."), "zh-CN": NoticeText("搬家", "网址会改变。")}
    with transaction(visit.engine) as connection:
        add_notice(connection, texts, now())
    pause_by_hand(visit.engine, "slow.example", "their server is down", now())


@pytest.fixture
def site(visit, settings):
    """The address of a site whose console has something to show."""
    fill_console(visit)
    with serving(create_app(visit.engine, settings, lambda: None)) as url:
        yield url


@pytest.fixture
def page(chromium, visit, site):
    """A page of the console, opened without a mouse through a link."""
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(site + link_for(visit))
    press(page, "Sign in", "What runs")
    return page


def press(page, name: str, then: str = "") -> None:
    """Go to a button or a link by Tab, press Enter, and wait for a text."""
    tab_to(page, name, "e => e.innerText.replace(/\\s+/g, ' ')")
    page.keyboard.press("Enter")
    if then:
        page.get_by_text(then).first.wait_for()


def write(page, label: str, text: str) -> None:
    """Go to a field by Tab, and type."""
    tab_to(page, label, "e => e.labels?.[0]?.innerText ?? ''")
    page.keyboard.type(text[:8])  # as many as a date has; each key is 20 ms of work
    page.keyboard.insert_text(text[8:])


def tab_to(page, name: str, read: str) -> None:
    """Press Tab until `read` of the focused element is `name`, using the skip link if that helps."""
    skips = page.evaluate(IS_PAST_THE_SKIP_LINK.replace("READ", read), name)
    for _ in range(80):
        page.keyboard.press("Tab")
        here, is_skip_link = page.evaluate(f"(e => [({read})(e), e.className === 'skip'])(document.activeElement)")
        if here.strip() == name:
            return
        if skips and is_skip_link:
            page.keyboard.press("Enter")
    raise AssertionError(f"Tab never comes to {name}")


def test_every_page_is_accessible_and_fits_every_screen(page, visit, site) -> None:
    requests, complaints, wrong = [], [], {}
    accessibility, narrow, wide = Accessibility(), {"width": 390, "height": 800}, {"width": 1280, "height": 900}
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    for path in PATHS:
        page.goto(f"{site}/console{path}")
        page.set_viewport_size(narrow)
        found = too_wide(page, 320, 390) + accessibility.faults(page)
        stops = page.evaluate(STOPS)
        page.set_viewport_size(wide)
        found += too_wide(page, 1280) + accessibility.faults(page)
        if page.evaluate(STOPS) != stops:
            found.append("the keyboard has other stops on a wide screen than on a narrow one")
        if any(index for index, _ in stops):
            found.append("Tab does not go through the page in its order")
        if found:
            wrong[path] = found
    assert wrong == {}
    assert [address for address in requests if not address.startswith(site)] == []
    assert complaints == []


def test_every_action_about_sending_is_done_by_keyboard_alone(page, visit) -> None:
    press(page, "Pause the issue", "The issue is paused.")
    press(page, "Resume the issue", "The issue goes on.")
    press(page, "Retry 1 quarantined…", "Send 1 quarantined messages again?")
    press(page, "Queue them again", "They are queued again.")
    press(page, "Send 1 uncertain again…", "Send 1 uncertain messages again?")
    press(page, "Queue them again", "They are queued again.")
    press(page, "Resume slow.example", "Sending goes on.")
    press(page, "Pause all sending, or email to one domain")
    press(page, "Pause sending", "Sending is paused.")
    with read_only(visit.engine) as connection:
        assert [pause.scope for pause in current(connection, now())] == ["*"]
    press(page, "Cancel…", "Cancel the issue of")
    press(page, "Cancel this issue", "The issue is cancelled.")
    press(page, f"Issue of {TODAY}", "Who did not get it")
    press(page, "Withdraw from the site…", "Withdraw the issue of")
    press(page, "Withdraw this issue", "The issue is off the site")
    press(page, "Show it on the site again", "The issue is on the site again.")
    press(page, "Sign out", "Sign in first")


def test_every_action_about_the_next_issue_is_done_by_keyboard_alone(page, visit) -> None:
    press(page, "Next", "The list as it would be now")
    press(page, "Change Paper number 2")
    write(page, "Reason", "worth a look")
    press(page, "Pin to the top", "The paper is pinned")
    assert "worth a look" in page.inner_text("main")
    press(page, "Change Paper number 2")
    press(page, "Remove", "The paper is removed")
    press(page, "Undo for Paper number 2", "The choice is undone.")
    press(page, "Change Paper number 1")
    press(page, "Postpone", "The paper is postponed.")
    with read_only(visit.engine) as connection:
        (left,) = choices_of(connection, TODAY + timedelta(days=1))
    assert (left.paper_id, left.choice, left.by) == ("2603.00001", "postponed", "ada")


def test_every_action_about_people_is_done_by_keyboard_alone(page, visit) -> None:
    press(page, "Subscribers", "Add a subscriber")
    write(page, "Address", "new@example.org")
    press(page, "Add", "The address is asked to confirm.")
    press(page, "ada3@example.org", "Last messages")
    write(page, "No issue before", "12012026")
    press(page, "Pause", "They get no issue until that day.")
    press(page, "End the pause", "Their pause is over.")
    press(page, "Unsubscribe", "They are unsubscribed.")
    write(page, "Where they agreed", "a letter")
    press(page, "Subscribe again", "They are subscribed again.")
    press(page, "Never email this address", "The address gets no message from now on.")
    press(page, "Allow email again", "The address may get messages again.")
    assert visit.subscriber("ada3@example.org").consent.form == "operator: a letter"
    press(page, "Suppressions", "These addresses get no email.")
    press(page, "Lift ada1@example.org", "The address may get messages again.")
    write(page, "Address", "gone@example.org")
    press(page, "Never email it", "The address gets no message from now on.")


def test_every_action_about_webhooks_is_done_by_keyboard_alone(page, visit) -> None:
    press(page, "Webhooks", "Add an endpoint")
    write(page, "Address", "https://other.example.org/")
    press(page, "Add endpoint", "Endpoint 2 is added")
    assert page.get_by_label("Secret").input_value().startswith("whsec_")
    press(page, "Endpoint 2", "There are no events")
    press(page, "New secret", "The old secret signs as well")
    press(page, "Webhooks", "Add an endpoint")
    press(page, "Endpoint 1", "Bad gateway")
    press(page, "Send a test", "A test is on its way.")
    press(page, "Send them again", "They are sent again now.")
    write(page, "Reason", "they move")
    press(page, "Disable", "The endpoint is disabled.")
    press(page, "Enable", "The endpoint is enabled.")
    press(page, "Remove…", "Remove endpoint 1?")
    press(page, "Remove this endpoint", "The endpoint is removed.")


def test_a_notice_is_written_changed_sent_and_taken_back_by_keyboard_alone(page, visit) -> None:
    press(page, "Notices", "A notice goes to every subscriber")
    press(page, "Write a notice", "Plain text.")
    write(page, "Subject, en", "We move")
    write(page, "Text, en", "The address changes.")
    press(page, "Keep as a draft", "Nobody gets it before you send it.")
    press(page, "Change it", "Plain text.")
    write(page, "Subject, zh-CN", "搬家")
    write(page, "Text, zh-CN", "网址会改变。")
    press(page, "Keep as a draft", "Nobody gets it before you send it.")
    write(page, "Type the number of subscribers", "11")  # of twelve, one is suppressed
    press(page, "Send to all", "The notice is sent")
    press(page, "Take it back", "is a draft again")
    press(page, "Templates", "As a subscriber gets it now")
    frame = page.frame_locator("iframe").first
    frame.get_by_text("Unsubscribe").first.wait_for()
    assert frame.locator("body").evaluate("e => getComputedStyle(e).backgroundColor") != "rgba(0, 0, 0, 0)"


def test_an_api_token_is_made_shown_once_and_revoked_by_keyboard_alone(page, visit) -> None:
    press(page, "API", "Make a token")
    write(page, "Name of the program", "crm")
    tab_to(page, "subscribers:read", "e => e.labels?.[0]?.innerText ?? ''")
    page.keyboard.press("Space")
    press(page, "Make the token", "This is the new token.")
    assert too_wide(page, 320, 390, 1280) == []
    assert violations(page) == []
    token = page.locator("code.secret").inner_text()
    with read_only(visit.engine) as connection:
        stored = token_of(connection, token)
    assert (stored.name, stored.scopes, stored.created_by) == ("crm", {"subscribers:read"}, "ada")
    page.goto(page.url.rpartition("/")[0])
    assert token not in page.content()
    press(page, "Revoke crm", "The token no longer works.")


def test_the_page_follows_what_happens_and_leaves_alone_what_somebody_types(page, visit, site) -> None:
    page.clock.install()
    page.reload()
    page.get_by_label("Reason", exact=True).first.fill("because")
    with transaction(visit.engine) as connection:
        change_deliveries(connection, deliveries.c.state == "queued", state="accepted")
    page.clock.run_for(6_000)
    page.get_by_text("8 accepted").wait_for()
    assert page.get_by_label("Reason", exact=True).first.input_value() == "because"

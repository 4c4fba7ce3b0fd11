"""The console in a browser: accessible on each page, wide and narrow, and every action by keyboard alone."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from digest.clock import now
from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.ledger.kinds import SuppressionReason
from digest.mail.pauses import current, pause_by_hand
from digest.monitoring.api_tokens import token_of
from digest.monitoring.heartbeats import Role, beat, this_process
from digest.papers.collecting import SourceHealth, SourceRun, record_run
from digest.subscribers.suppressions import suppress
from digest.web.app import create_app
from tests.support.chromium import COLOURS, violations
from tests.support.scenario import PLAN, add_papers, add_subscriber, cut
from tests.web.conftest import START
from tests.web.console.conftest import link_for
from tests.web.rendered_pages import serving
from tests.web.test_every_page import too_wide

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.parametrize("database_url", ["sqlite"], indirect=True),
]
TODAY = START.date()
PATHS = (
    "",
    "/issues",
    f"/issues/{TODAY}/daily?show=queued",
    f"/issues/{TODAY}/daily/cancel",
    "/subscribers?q=ada",
    "/subscribers/1",
    "/suppressions?q=ada1@example.org",
    "/sources",
    "/settings",
    "/api-tokens",
    "/log",
    "/sign-in/x",
)
STATES = ("accepted", "refused", "quarantined", "uncertain", "sending")


def fill_console(visit) -> None:
    """An issue in the middle of its sending, with something of each kind to decide about."""
    ids = [add_subscriber(visit.engine, f"ada{number}@example.org", hour=23).id for number in range(12)]
    add_papers(visit.engine, range(3), START)
    cut(visit.engine, TODAY, START, replace(PLAN, warm_up=False))
    with transaction(visit.engine) as connection:
        for subscriber_id, state in zip(ids, STATES, strict=False):
            change = update(deliveries).where(deliveries.c.subscriber_id == subscriber_id)
            connection.execute(change.values(state=state, finished_at=None if state == "sending" else now()))
    beat(visit.engine, this_process(Role.WEB), {}, is_first=True)
    with transaction(visit.engine) as connection:
        suppress(connection, visit.subscriber("ada1@example.org").key, SuppressionReason.REFUSED, "550 5.1.1", now())
        record_run(connection, SourceRun("arxiv", TODAY, START, SourceHealth.FAILING, 0, 0, (), "no route to host"))
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
    tab_to(page, name, "e => e.innerText")
    page.keyboard.press("Enter")
    if then:
        page.get_by_text(then).first.wait_for()


def write(page, label: str, text: str) -> None:
    """Go to a field by Tab, and type."""
    tab_to(page, label, "e => e.labels?.[0]?.innerText ?? ''")
    page.keyboard.type(text)


def tab_to(page, name: str, read: str) -> None:
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(f"({read})(document.activeElement)").strip() == name:
            return
    raise AssertionError(f"Tab never comes to {name}")


def test_every_page_is_accessible_and_fits_every_screen(page, visit, site) -> None:
    requests, complaints, wrong = [], [], {}
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    for path in PATHS:
        page.goto(f"{site}/console{path}")
        found = too_wide(page, 320, 390, 1280)
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 900})
            page.emulate_media(color_scheme="light")
            found += violations(page)
            page.emulate_media(color_scheme="dark")
            found += violations(page, *COLOURS)
        if found:
            wrong[path] = found
    assert wrong == {}
    assert [address for address in requests if not address.startswith(site)] == []
    assert complaints == []


@pytest.mark.parametrize("width", [390, 1280])
def test_every_action_about_sending_is_done_by_keyboard_alone(page, visit, width) -> None:
    page.set_viewport_size({"width": width, "height": 900})
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


@pytest.mark.parametrize("width", [390, 1280])
def test_every_action_about_people_is_done_by_keyboard_alone(page, visit, width) -> None:
    page.set_viewport_size({"width": width, "height": 900})
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


@pytest.mark.parametrize("width", [390, 1280])
def test_an_api_token_is_made_shown_once_and_revoked_by_keyboard_alone(page, visit, width) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    press(page, "API", "Make a token")
    write(page, "Name of the program", "crm")
    tab_to(page, "subscribers:read", "e => e.labels?.[0]?.innerText ?? ''")
    page.keyboard.press("Space")
    press(page, "Make the token", "This is the new token.")
    assert too_wide(page, 320, 390, 1280) == []
    page.set_viewport_size({"width": width, "height": 900})
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
        connection.execute(update(deliveries).where(deliveries.c.state == "queued").values(state="accepted"))
    page.clock.run_for(6_000)
    page.get_by_text("8 accepted").wait_for()
    assert page.get_by_label("Reason", exact=True).first.input_value() == "because"

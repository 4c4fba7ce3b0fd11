"""The console in a browser: accessible on each page, wide and narrow, and every action by keyboard alone."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from digest.clock import now
from digest.database.engine import read_only, transaction
from digest.database.tables import deliveries
from digest.issues.store import newest_issue
from digest.mail.pauses import current, pause_by_hand
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
    press(page, "Sign in")
    page.get_by_role("heading", name="Today").wait_for()
    return page


def press(page, name: str) -> None:
    """Go to a button or a link by Tab, and press Enter."""
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText").strip() == name:
            page.keyboard.press("Enter")
            page.wait_for_load_state()
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


def test_every_action_is_done_by_keyboard_alone(page, visit) -> None:
    press(page, "Pause the issue")
    page.get_by_text("The issue is paused.").wait_for()
    press(page, "Resume the issue")
    page.get_by_text("The issue goes on.").wait_for()
    press(page, "Retry 1 quarantined…")
    page.get_by_role("heading", name="Send 1 ").wait_for()
    press(page, "Queue them again")
    page.get_by_text("They are queued again.").wait_for()
    press(page, "Send 1 uncertain again…")
    page.get_by_role("heading", name="Send 1 ").wait_for()
    press(page, "Queue them again")
    page.get_by_text("They are queued again.").wait_for()
    press(page, "Resume slow.example")
    page.get_by_text("Sending goes on.").wait_for()
    press(page, "Pause all sending, or email to one domain")
    press(page, "Pause sending")
    page.get_by_text("Sending is paused.").wait_for()
    with read_only(visit.engine) as connection:
        assert [pause.scope for pause in current(connection, now())] == ["*"]
    press(page, "Cancel…")
    page.get_by_role("heading", name="Cancel the issue of").wait_for()
    press(page, "Cancel this issue")
    page.get_by_text("The issue is cancelled.").wait_for()
    with read_only(visit.engine) as connection:
        assert newest_issue(connection) is None
    press(page, "Sign out")
    page.get_by_role("heading", name="Sign in first").wait_for()


def test_the_page_follows_what_happens_and_leaves_alone_what_somebody_types(page, visit, site) -> None:
    page.clock.install()
    page.reload()
    page.get_by_label("Reason", exact=True).first.fill("because")
    with transaction(visit.engine) as connection:
        connection.execute(update(deliveries).where(deliveries.c.state == "queued").values(state="accepted"))
    page.clock.run_for(6_000)
    page.get_by_text("8 accepted").wait_for()
    assert page.get_by_label("Reason", exact=True).first.input_value() == "because"

"""The next email of a subscriber, before it is sent."""

from datetime import timedelta

import pytest

from digest.subscribers import subscriptions
from digest.subscribers.admission import PREVIEWS_AN_HOUR
from digest.subscribers.preferences import DEFAULTS
from digest.subscribers.subscriber import Frequency, Preferences
from digest.subscribers.tokens import Purpose
from tests.support.scenario import ON_SQLITE
from tests.web.conftest import START, Visit
from tests.web.rendered_pages import send_list

pytestmark = ON_SQLITE


def address(visit: Visit, preferences: Preferences = DEFAULTS) -> str:
    """The page of a subscriber whose email of today has been sent."""
    subscriber = visit.subscribed()
    send_list(visit)
    subscriptions.change_preferences(visit.engine, subscriber.id, preferences, START)
    return f"/my/{visit.token(Purpose.MANAGE, subscriber)}/next-email"


@pytest.mark.parametrize(
    ("preferences", "day"),
    [
        (DEFAULTS, "24 November"),
        (Preferences(frequency=Frequency.WEEKLY, weekdays=frozenset([4])), "27 November"),
        (Preferences(paused_until=START.date() + timedelta(days=9)), "2 December"),
    ],
)
def test_it_says_when_it_is_due_and_shows_papers_that_were_not_sent(
    visit: Visit, filled: Visit, preferences, day
) -> None:  # type: ignore[no-untyped-def]
    path = address(visit, preferences)
    page, frame = visit.browser.get(path), visit.browser.get(f"{path}/html")
    assert f"{day} 2026 at 07:00" in page.text
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    assert "arxiv.org/abs/2603.00003" in frame.text
    assert "arxiv.org/abs/2603.00000" not in frame.text
    assert "/u/" not in frame.text
    for answer in (page, frame):
        assert answer.headers["cache-control"] == "no-store"


def test_what_waits_to_be_sent_is_shown_as_it_will_be(visit: Visit, filled: Visit) -> None:
    token = visit.token(Purpose.MANAGE, visit.subscribed())
    assert visit.queued() == ["confirmation", "digest"]
    page, frame = (visit.browser.get(f"/my/{token}/next-email{more}") for more in ("", "/html"))
    assert "23 November 2026" in page.text
    assert "arxiv.org/abs/2603.00000" in frame.text


def test_looking_stores_nothing_but_how_often_and_that_is_limited(visit: Visit, filled: Visit) -> None:
    path = address(visit)
    before = visit.everything()
    answers = [visit.browser.get(path).status_code for _ in range(PREVIEWS_AN_HOUR + 2)]
    assert answers.index(429) in (PREVIEWS_AN_HOUR, PREVIEWS_AN_HOUR + 1)
    after = visit.everything()
    assert {name for name in before if before[name] != after[name]} == {"buckets"}


def test_without_papers_it_says_that_there_would_be_none(visit: Visit) -> None:
    path = f"/my/{visit.token(Purpose.MANAGE, visit.subscribed())}/next-email"
    assert "you’d get no email" in visit.browser.get(path).text
    assert visit.browser.get(f"{path}/html").status_code == 404
